"""Causal attention with several heads: to all that came before, or to a pattern of it.

Of ``l`` to a block and ``c`` to its summary, position i hears

=========  =========================================================================================
dense      all positions up to i
strided    the last l positions, and of those before every l-th one counted back from i
fixed      its own block of l up to i, and the last c positions of every block before
=========  =========================================================================================

With l near the root of the length n both sparse patterns cost n to 1.5 and not n squared.  They are
computed that way: scores are made for blocks and for what is l apart, and never for a whole n x n mask.

References
----------
Child, Gray, Radford and Sutskever, "Generating Long Sequences with Sparse Transformers", 2019: the patterns
of two heads there, here together in each head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavecore.errors import UsageError

KINDS = ("dense", "strided", "fixed")


@dataclass(frozen=True)
class Pattern:
    """Who hears whom.

    Attributes
    ----------
    kind : {"dense", "strided", "fixed"}
    block : int
        l; without effect on ``dense``.
    summary : int
        c, at most ``block``; for ``fixed``.

    Raises
    ------
    UsageError
        If there is no such kind, or a size is out of range.
    """

    kind: str = "dense"
    block: int = 32
    summary: int = 1

    def __post_init__(self):
        if self.kind not in KINDS:
            raise UsageError(f"there is no attention pattern {self.kind!r}; it is one of {', '.join(KINDS)}")
        if not 1 <= self.summary <= self.block:
            raise UsageError(
                f"a block of {self.block} with a summary of {self.summary} is none; 1 <= summary <= block is needed"
            )

    def mask(self, first: int, last: int, device: torch.device | str = "cpu") -> Tensor:
        """Say who hears whom: the definition of the pattern.

        Parameters
        ----------
        first, last : int
            Positions ``first`` to ``last`` - 1 hear.

        Returns
        -------
        Tensor, shape (last - first, last), bool
        """
        rows, columns = torch.arange(first, last, device=device)[:, None], torch.arange(last, device=device)
        distance = rows - columns
        if self.kind == "strided":
            return (distance >= 0) & ((distance < self.block) | (distance % self.block == 0))
        if self.kind == "fixed":
            own = rows // self.block == columns // self.block
            return (distance >= 0) & (own | (columns % self.block >= self.block - self.summary))
        return distance >= 0


def attend(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern) -> Tensor:
    """Let every position hear what its pattern allows.

    Parameters
    ----------
    query, key, value : Tensor, shape (B, H, T, D), float

    Returns
    -------
    Tensor, shape (B, H, T, D), float
    """
    if pattern.kind == "dense":
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    length, block = query.shape[2], pattern.block
    # What is added behind is heard by nobody that is kept.
    query, key, value = (F.pad(x, (0, 0, 0, -length % block)).unflatten(2, (-1, block)) for x in (query, key, value))
    compute = _strided if pattern.kind == "strided" else _fixed
    return compute(query / math.sqrt(query.shape[-1]), key, value, pattern).flatten(2, 3)[:, :, :length].to(value.dtype)


def attend_masked(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Let positions hear what a mask allows: the plain way, for any pattern.

    Parameters
    ----------
    query : Tensor, shape (B, H, M, D), float
    key, value : Tensor, shape (B, H, T, D), float
    mask : Tensor, shape (M, T), bool
        Columns that nobody hears are left out of the work.

    Returns
    -------
    Tensor, shape (B, H, M, D), float
    """
    heard = mask.any(dim=0)
    if not bool(heard.all()):
        columns = heard.nonzero()[:, 0]
        key, value, mask = key[:, :, columns], value[:, :, columns], mask[:, columns]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


class LayerCache:
    """Keys and values of one layer, for sampling.

    Parameters
    ----------
    capacity : int
        Most positions.
    """

    def __init__(self, capacity: int):
        self.capacity, self.length = capacity, 0
        self._held: Tensor | None = None

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keep those of further positions.

        Parameters
        ----------
        key, value : Tensor, shape (B, H, M, D), float

        Returns
        -------
        key, value : Tensor, shape (B, H, length, D), float
            Of all positions so far.

        Raises
        ------
        UsageError
            If they are more than the capacity.
        """
        end = self.length + key.shape[2]
        if end > self.capacity:
            raise UsageError(
                f"{end} positions do not fit into a cache for {self.capacity}; start a new one with the last of them"
            )
        if self._held is None:
            self._held = key.new_empty(2, *key.shape[:2], self.capacity, key.shape[3])
        self._held[0, :, :, self.length : end], self._held[1, :, :, self.length : end] = key, value
        self.length = end
        return self._held[0, :, :, :end], self._held[1, :, :, :end]


class CausalAttention(nn.Module):
    """Attention with its products before and after.

    Parameters
    ----------
    channels : int
        C, a multiple of ``n_heads``.
    n_heads : int
        H.
    """

    def __init__(self, channels: int, n_heads: int, pattern: Pattern):
        super().__init__()
        self.n_heads, self.pattern = n_heads, pattern
        self.into = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, cache: LayerCache | None = None) -> Tensor:
        """Attend.

        Parameters
        ----------
        x : Tensor, shape (B, T, C), float
        cache : LayerCache, optional
            Holds what came before ``x``, and then ``x`` as well.

        Returns
        -------
        Tensor, shape (B, T, C), float
        """
        query, key, value = self.into(x).unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        if cache is None or cache.length == 0:
            found = attend(query, key, value, self.pattern)
            if cache is not None:
                cache.append(key, value)
        else:
            before = cache.length
            key, value = cache.append(key, value)
            found = attend_masked(query, key, value, self.pattern.mask(before, cache.length, x.device))
        return self.out(found.transpose(1, 2).flatten(2))


def _strided(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern) -> Tensor:
    """(B, H, N blocks, l, D) each; two blocks hold the last l positions, and every l-th one stands at the same place of its block."""
    (n_blocks, block), device = query.shape[2:4], query.device
    near_key, near_value = (
        torch.cat([F.pad(x, (0, 0, 0, 0, 1, 0))[:, :, :-1], x], dim=3) for x in (key, value)
    )  # (B, H, N, 2l, D)
    place = torch.arange(block, device=device)[:, None]
    column = torch.arange(2 * block, device=device)
    near = ((column > place) & (column <= place + block)).expand(n_blocks, -1, -1)
    first = torch.arange(n_blocks, device=device)[:, None, None] == 0
    near = near & ~(first & (column < block))
    far = torch.ones(n_blocks, n_blocks, dtype=torch.bool, device=device).tril(-1)[
        :, None
    ]  # (N, 1, N): what is in the same block is near
    scores = [
        (query @ near_key.transpose(3, 4)).masked_fill(~near, -math.inf),
        (query.transpose(2, 3) @ key.permute(0, 1, 3, 4, 2)).transpose(2, 3).masked_fill(~far, -math.inf),
    ]
    near_weight, far_weight = (
        torch.cat(scores, dim=4).softmax(dim=4).to(value.dtype).split([2 * block, n_blocks], dim=4)
    )
    return near_weight @ near_value + (far_weight.transpose(2, 3) @ value.transpose(2, 3)).transpose(2, 3)


def _fixed(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern) -> Tensor:
    """(B, H, N blocks, l, D) each; all blocks hear the same summaries, of those before them."""
    (n_blocks, block), device = query.shape[2:4], query.device
    own = torch.ones(block, block, dtype=torch.bool, device=device).tril()
    told_key, told_value = (x[:, :, :, block - pattern.summary :].flatten(2, 3) for x in (key, value))  # (B, H, N c, D)
    teller = torch.arange(n_blocks, device=device).repeat_interleave(pattern.summary)
    told = (teller < torch.arange(n_blocks, device=device)[:, None])[:, None]  # (N, 1, N c)
    scores = [
        (query @ key.transpose(3, 4)).masked_fill(~own, -math.inf),
        (query.flatten(2, 3) @ told_key.transpose(2, 3)).unflatten(2, (n_blocks, block)).masked_fill(~told, -math.inf),
    ]
    own_weight, told_weight = torch.cat(scores, dim=4).softmax(dim=4).to(value.dtype).split([block, len(teller)], dim=4)
    return own_weight @ value + (told_weight.flatten(2, 3) @ told_value).unflatten(2, (n_blocks, block))
