"""MuseNet: a transformer that predicts the next token of a piece, with dense or sparse causal attention.

With blocks of length l and summaries of length c, position i attends to

=========  =========================================================================================
dense      all positions up to i
strided    the last l positions, and of those before every l-th one counted back from i
fixed      its own block of l up to i, and the last c positions of every block before
=========  =========================================================================================

With l near the square root of the length n, the cost of both sparse patterns grows as n to the 1.5, not as n squared:
scores are computed for blocks and for positions l apart, and never for a whole n x n mask.

References
----------
Payne, "MuseNet", OpenAI 2019, https://openai.com/research/musenet.
Child, Gray, Radford and Sutskever, "Generating Long Sequences with Sparse Transformers", 2019: the patterns
of two heads there, here together in each head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from wavecore.errors import UsageError
from wavecore.models.musenet.config import MuseNetConfig, Pattern
from wavecore.models.musenet.tokens import (
    DRUMS,
    GROUPS,
    LONGEST_WAIT,
    N_PITCHES,
    N_TEMPOS,
    SIZES,
    TICKS_PER_BEAT,
    Vocabulary,
)
from wavecore.symbolic.instruments import INSTRUMENTS


@dataclass(frozen=True)
class Cache:
    """What sampling need not compute again: keys and values of the layers, and the vectors of all tokens, (V, C)."""

    layers: tuple[LayerCache, ...]
    vectors: Tensor

    @property
    def length(self) -> int:
        """Number of tokens so far."""
        return self.layers[0].length


class MuseNet(nn.Module):
    """Distribution of the next token given those before.

    The input is the sum of a token's vector (see ``TokenVectors``), which is also its weight in the output, of a vector
    of its position in the window, and of vectors of where it lies in the music (see ``tokens.Timeline``).

    Attributes
    ----------
    recompute : bool
        Whether training computes the activations of each layer again in the backward pass, and does not keep them.
    """

    kind = "musenet"

    def __init__(self, config: MuseNetConfig):
        super().__init__()
        self.config, self.recompute = config, False
        self.tokens = TokenVectors(config.vocabulary, config.channels)
        self.places = _vectors(config.context, config.channels)
        vectors = {name: _vectors(SIZES[name], config.channels) for name in config.embeddings}
        self.features = nn.ModuleDict(
            {name: nn.Embedding.from_pretrained(table, freeze=False) for name, table in vectors.items()}
        )
        self.layers = nn.ModuleList(_Layer(config, pattern) for pattern in config.layer_patterns)
        self.norm = nn.LayerNorm(config.channels)
        self.critic = (
            nn.Sequential(nn.Linear(config.channels, config.channels), nn.GELU(), nn.Linear(config.channels, 1))
            if config.critic
            else None
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.5 / math.sqrt(module.in_features))
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            for layer in self.layers:  # keeps the sum of the layers' 2 N additions in bounds
                for last in (layer.attention.out, layer.widened[-1]):
                    last.weight /= math.sqrt(2 * config.n_layers)

    def forward(self, tokens: Tensor, features: Tensor, cache: Cache | None = None) -> Tensor:
        """Return the logits of the next tokens.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
        features : Tensor, shape (B, T, 4), int64
            Of ``tokens.Timeline``.
        cache : Cache, optional
            From ``new_cache``; holds the tokens before, and then these as well.

        Returns
        -------
        Tensor, shape (B, T, V), float32
        """
        vectors = self.tokens() if cache is None else cache.vectors
        x = self.embed(tokens, features, vectors, begin=cache.length if cache else 0)
        return self.logits(self.hidden(x, cache), vectors)

    def embed(self, tokens: Tensor, features: Tensor, vectors: Tensor, *, begin: int = 0) -> Tensor:
        """Return the input of the first layer, shape (B, T, C), float32.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
        features : Tensor, shape (B, T, 4), int64
        vectors : Tensor, shape (V, C), float
            Of all tokens, as ``tokens()`` returns them.
        begin : int
            Position of the first token in its window.

        Raises
        ------
        UsageError
            If the tokens do not fit into the context.
        """
        end = begin + tokens.shape[1]
        if end > self.config.context:
            raise UsageError(f"a window of {end} tokens is longer than the context, {self.config.context}")
        x = F.embedding(tokens, vectors) + self.places[begin:end]
        for column, name in enumerate(SIZES):
            if name in self.config.embeddings:
                x = x + self.features[name](features[..., column])
        return x

    def hidden(self, x: Tensor, cache: Cache | None = None) -> Tensor:
        """Apply all layers to what ``embed`` returned, and the last norm; the shape stays."""
        for number, layer in enumerate(self.layers):
            if self.recompute and self.training and cache is None:
                x = checkpoint(layer, x, use_reentrant=False)
            else:
                x = layer(x, cache.layers[number] if cache else None)
        return self.norm(x)

    def logits(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        """Return the products of hidden states, shape (..., C), with the vectors of all tokens: (..., V), float32."""
        return F.linear(hidden, vectors).float()

    def critic_logits(self, hidden: Tensor) -> Tensor:
        """Return the inner critic's log odds of data against samples of the model, (...), for states (..., C).

        Raises
        ------
        UsageError
            If the network has no critic.
        """
        if self.critic is None:
            raise UsageError(
                "this MuseNet has no inner critic; `wavecore train musenet --critic --init MODEL` adds one"
            )
        return self.critic(hidden)[..., 0].float()

    def new_cache(self) -> Cache:
        """Return an empty cache for sampling with the present weights."""
        return Cache(tuple(LayerCache(self.config.context) for _ in self.layers), self.tokens())

    def style_vectors(self) -> Tensor:
        """Return the vectors of the styles, shape (n_styles, C)."""
        return self.tokens()[self.config.vocabulary.size - len(self.config.styles) :].detach()

    def card(self) -> dict:
        """Return what the model's card holds beside the configuration."""
        return {
            "styles": list(self.config.styles),
            "instruments": list(INSTRUMENTS),
            "ticks_per_beat": TICKS_PER_BEAT,
            "context": self.config.context,
            "critic": self.config.critic,
        }


class TokenVectors(nn.Module):
    """Vectors of all tokens: each the sum of its own, one of its kind and one of its pitch, shared by all instruments.

    A kind is an instrument with a volume, or what else a token is.
    """

    def __init__(self, vocabulary: Vocabulary, channels: int):
        super().__init__()
        others = [N_PITCHES, LONGEST_WAIT, 1, len(INSTRUMENTS), N_TEMPOS, len(vocabulary.styles)]
        self.sizes = [N_PITCHES] * len(GROUPS) + others
        self.own = _vectors(sum(self.sizes), channels)
        self.kinds = _vectors(len(self.sizes), channels)
        self.pitches = _vectors(N_PITCHES, channels)

    def forward(self) -> Tensor:
        """Return the vectors of all tokens, shape (V, C)."""
        kinds = torch.cat([row.expand(size, -1) for row, size in zip(self.kinds, self.sizes, strict=True)])
        pitches = F.pad(self.pitches.repeat(len(GROUPS), 1), (0, 0, 0, len(self.own) - DRUMS))
        return self.own + kinds + pitches


def _vectors(n: int, channels: int) -> nn.Parameter:
    """Return vectors whose sum of three has a length of about 1, so that logits begin with a deviation near 1."""
    return nn.Parameter(torch.empty(n, channels).normal_(std=1 / math.sqrt(3 * channels)))


class _Layer(nn.Module):
    """A transformer's layer: attention, then two products with a GELU between; each is added to its input."""

    def __init__(self, config: MuseNetConfig, pattern: Pattern):
        super().__init__()
        channels = config.channels
        self.before_attention, self.before_widened = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = CausalAttention(channels, config.n_heads, pattern)
        self.widened = nn.Sequential(nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, cache: LayerCache | None = None) -> Tensor:
        x = x + self.dropout(self.attention(self.before_attention(x), cache))
        return x + self.dropout(self.widened(self.before_widened(x)))


# Attention


class CausalAttention(nn.Module):
    """Attention with several heads and a pattern, and the products before and after it."""

    def __init__(self, channels: int, n_heads: int, pattern: Pattern):
        super().__init__()
        self.n_heads, self.pattern = n_heads, pattern
        self.into = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, cache: LayerCache | None = None) -> Tensor:
        """Attend to ``x``, shape (B, T, C), and to what the cache holds, which then holds ``x`` as well."""
        query, key, value = self.into(x).unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, D)
        if cache is None or cache.length == 0:
            attended = attend(query, key, value, self.pattern)
            if cache is not None:
                cache.append(key, value)
        else:
            before = cache.length
            key, value = cache.append(key, value)
            mask = attention_mask(self.pattern, before, cache.length, x.device)
            attended = attend_masked(query, key, value, mask)
        return self.out(attended.transpose(1, 2).flatten(2))


class LayerCache:
    """Keys and values of one layer for sampling, at most ``capacity`` positions."""

    def __init__(self, capacity: int):
        self.capacity, self.length = capacity, 0
        self._stored: Tensor | None = None

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store those of further positions, (B, H, M, D), and return those of all positions so far, (B, H, length, D).

        Raises
        ------
        UsageError
            If they exceed the capacity.
        """
        end = self.length + key.shape[2]
        if end > self.capacity:
            raise UsageError(f"{end} positions do not fit into a cache for {self.capacity}")
        if self._stored is None:
            self._stored = key.new_empty(2, *key.shape[:2], self.capacity, key.shape[3])
        self._stored[0, :, :, self.length : end], self._stored[1, :, :, self.length : end] = key, value
        self.length = end
        return self._stored[0, :, :, :end], self._stored[1, :, :, :end]


def attention_mask(pattern: Pattern, first: int, last: int, device: torch.device | str = "cpu") -> Tensor:
    """Return which positions attend to which: the definition of a pattern.

    Returns
    -------
    Tensor, shape (last - first, last), bool
        A row for each of the positions ``first`` to ``last`` - 1.
    """
    rows, columns = torch.arange(first, last, device=device)[:, None], torch.arange(last, device=device)
    distance = rows - columns
    if pattern.kind == "strided":
        return (distance >= 0) & ((distance < pattern.block) | (distance % pattern.block == 0))
    if pattern.kind == "fixed":
        own = rows // pattern.block == columns // pattern.block
        return (distance >= 0) & (own | (columns % pattern.block >= pattern.block - pattern.summary))
    return distance >= 0


def attend_masked(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Compute attention under any mask, without the columns that no row uses.

    Parameters
    ----------
    query : Tensor, shape (B, H, M, D), float
    key, value : Tensor, shape (B, H, T, D), float
    mask : Tensor, shape (M, T), bool

    Returns
    -------
    Tensor, shape (B, H, M, D), float
    """
    used = mask.any(dim=0)
    if not bool(used.all()):
        columns = used.nonzero()[:, 0]
        key, value, mask = key[:, :, columns], value[:, :, columns], mask[:, columns]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def attend(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern) -> Tensor:
    """Compute attention by a pattern, all of shape (B, H, T, D), at the pattern's cost."""
    if pattern.kind == "dense":
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    length, block = query.shape[2], pattern.block
    # No position that is kept attends to the padding behind.
    query, key, value = (F.pad(x, (0, 0, 0, -length % block)).unflatten(2, (-1, block)) for x in (query, key, value))
    compute = _strided if pattern.kind == "strided" else _fixed
    return compute(query / math.sqrt(query.shape[-1]), key, value, pattern).flatten(2, 3)[:, :, :length].to(value.dtype)


def _strided(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern) -> Tensor:
    """Compute strided attention, each of shape (B, H, N blocks, l, D).

    Two blocks hold the last l positions; every l-th position has the same place in its block.
    """
    (n_blocks, block), device = query.shape[2:4], query.device
    near_key, near_value = (torch.cat([F.pad(x, (0, 0, 0, 0, 1, 0))[:, :, :-1], x], dim=3) for x in (key, value))
    row, column = torch.arange(block, device=device)[:, None], torch.arange(2 * block, device=device)
    near = ((column > row) & (column <= row + block)).expand(n_blocks, -1, -1)
    first = torch.arange(n_blocks, device=device)[:, None, None] == 0
    near = near & ~(first & (column < block))  # no block precedes the first one
    far = torch.ones(n_blocks, n_blocks, dtype=torch.bool, device=device).tril(-1)[
        :, None
    ]  # (N, 1, N), without its own
    scores = [
        (query @ near_key.transpose(3, 4)).masked_fill(~near, -math.inf),
        (query.transpose(2, 3) @ key.permute(0, 1, 3, 4, 2)).transpose(2, 3).masked_fill(~far, -math.inf),
    ]
    weights = torch.cat(scores, dim=4).softmax(dim=4).to(value.dtype)
    near_weight, far_weight = weights.split([2 * block, n_blocks], dim=4)
    return near_weight @ near_value + (far_weight.transpose(2, 3) @ value.transpose(2, 3)).transpose(2, 3)


def _fixed(query: Tensor, key: Tensor, value: Tensor, pattern: Pattern) -> Tensor:
    """Compute fixed attention, each of shape (B, H, N blocks, l, D); all later blocks share the summaries."""
    (n_blocks, block), device, c = query.shape[2:4], query.device, pattern.summary
    own = torch.ones(block, block, dtype=torch.bool, device=device).tril()
    summary_key, summary_value = (x[:, :, :, block - c :].flatten(2, 3) for x in (key, value))  # (B, H, N c, D)
    source = torch.arange(n_blocks, device=device).repeat_interleave(c)
    earlier = (source < torch.arange(n_blocks, device=device)[:, None])[:, None]  # (N, 1, N c)
    summary_scores = (query.flatten(2, 3) @ summary_key.transpose(2, 3)).unflatten(2, (n_blocks, block))
    scores = [
        (query @ key.transpose(3, 4)).masked_fill(~own, -math.inf),
        summary_scores.masked_fill(~earlier, -math.inf),
    ]
    own_weight, weight = torch.cat(scores, dim=4).softmax(dim=4).to(value.dtype).split([block, len(source)], dim=4)
    return own_weight @ value + (weight.flatten(2, 3) @ summary_value).unflatten(2, (n_blocks, block))
