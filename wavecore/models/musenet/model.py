"""MuseNet: a transformer that says which token comes next in a piece.

A token's vector is the sum of one of its own, one of its kind (instrument and volume, or what else it is)
and one of its pitch, so that what is learnt of a pitch serves all instruments.  The same vectors are the
weights of the output.  Added to it are vectors of the place in the window and of where the token lies in
the music (see ``music_features``).

References
----------
Payne, "MuseNet", OpenAI 2019, https://openai.com/research/musenet.
Child, Gray, Radford and Sutskever, "Generating Long Sequences with Sparse Transformers", 2019.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from wavecore.errors import UsageError
from wavecore.models.musenet.attention import CausalAttention, LayerCache, Pattern
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.features import SIZES
from wavecore.models.musenet.tokens import (
    DRUMS,
    GROUPS,
    LONGEST_WAIT,
    N_PITCHES,
    N_TEMPOS,
    TICKS_PER_BEAT,
    Vocabulary,
)
from wavecore.symbolic.instruments import INSTRUMENTS


@dataclass(frozen=True)
class Cache:
    """What sampling need not compute again.

    Attributes
    ----------
    vectors : Tensor, shape (V, C), float32
        Of all tokens.
    """

    layers: tuple[LayerCache, ...]
    vectors: Tensor

    @property
    def length(self) -> int:
        """Tokens so far."""
        return self.layers[0].length


class MuseNet(nn.Module):
    """The next token from those before.

    Attributes
    ----------
    recompute : bool
        Whether training computes each layer's activations a second time on the way back, and does not keep them.
    """

    kind = "musenet"

    def __init__(self, config: MuseNetConfig):
        super().__init__()
        self.config, self.recompute = config, False
        self.tokens = TokenVectors(config.vocabulary, config.channels)
        self.places = _vectors(config.context, config.channels)
        told = {name: _vectors(SIZES[name], config.channels) for name in config.embeddings}
        self.features = nn.ModuleDict(
            {name: nn.Embedding.from_pretrained(vectors, freeze=False) for name, vectors in told.items()}
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
            for layer in self.layers:  # of 2 N additions the sum stays in bounds
                for last in (layer.attention.out, layer.widened[-1]):
                    last.weight /= math.sqrt(2 * config.n_layers)

    def forward(self, tokens: Tensor, features: Tensor, cache: Cache | None = None) -> Tensor:
        """Say how likely each token is to come next.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
        features : Tensor, shape (B, T, 4), int64
            As ``music_features.Timeline`` tells them.
        cache : Cache, optional
            From ``new_cache``: holds the tokens before, and then these as well.

        Returns
        -------
        Tensor, shape (B, T, V), float32
            Logits.
        """
        vectors = self.tokens() if cache is None else cache.vectors
        return self.logits(
            self.hidden(self.embed(tokens, features, vectors, begin=cache.length if cache else 0), cache), vectors
        )

    def embed(self, tokens: Tensor, features: Tensor, vectors: Tensor, *, begin: int = 0) -> Tensor:
        """Add up what is known of tokens.

        Parameters
        ----------
        tokens : Tensor, shape (B, T), int64
        features : Tensor, shape (B, T, 4), int64
        vectors : Tensor, shape (V, C), float
            What ``tokens()`` returns, of all tokens.
        begin : int
            Place of the first token in its window.

        Returns
        -------
        Tensor, shape (B, T, C), float32

        Raises
        ------
        UsageError
            If they do not fit into the context.
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
        """Run all layers.

        Parameters
        ----------
        x : Tensor, shape (B, T, C), float32
            From ``embed``.

        Returns
        -------
        Tensor, shape (B, T, C), float32
        """
        for number, layer in enumerate(self.layers):
            if self.recompute and self.training and cache is None:
                x = checkpoint(layer, x, use_reentrant=False)
            else:
                x = layer(x, cache.layers[number] if cache else None)
        return self.norm(x)

    def logits(self, hidden: Tensor, vectors: Tensor) -> Tensor:
        """Compare what was worked out with every token's vector.

        Parameters
        ----------
        hidden : Tensor, shape (..., C), float
        vectors : Tensor, shape (V, C), float
            As of ``embed``.

        Returns
        -------
        Tensor, shape (..., V), float32
        """
        return F.linear(hidden, vectors).float()

    def judge(self, hidden: Tensor) -> Tensor:
        """Let the inner critic say how much each place sounds like data.

        Parameters
        ----------
        hidden : Tensor, shape (..., C), float

        Returns
        -------
        Tensor, shape (...), float32
            Log odds of data against samples of the model's own.

        Raises
        ------
        UsageError
            If the network has none.
        """
        if self.critic is None:
            raise UsageError(
                "this MuseNet has no inner critic; `wavecore train musenet --critic --init MODEL` adds one"
            )
        return self.critic(hidden)[..., 0].float()

    def new_cache(self) -> Cache:
        """Make an empty cache for sampling, of the weights as they are."""
        return Cache(tuple(LayerCache(self.config.context) for _ in self.layers), self.tokens())

    def style_vectors(self) -> Tensor:
        """Return what the network knows of its styles.

        Returns
        -------
        Tensor, shape (n_styles, C), float32
        """
        return self.tokens()[self.config.vocabulary.size - len(self.config.styles) :].detach()

    def card(self) -> dict:
        """Say what a model folder tells of the network beside its sizes."""
        return {
            "styles": list(self.config.styles), "instruments": list(INSTRUMENTS), "ticks_per_beat": TICKS_PER_BEAT, "context": self.config.context,
            "critic": self.config.critic,
        }  # fmt: skip


class TokenVectors(nn.Module):
    """A vector for every token, which it shares in part with others."""

    def __init__(self, vocabulary: Vocabulary, channels: int):
        super().__init__()
        sizes = [
            *([N_PITCHES] * len(GROUPS)),
            N_PITCHES,
            LONGEST_WAIT,
            1,
            len(INSTRUMENTS),
            N_TEMPOS,
            len(vocabulary.styles),
        ]
        self.sizes = sizes
        self.own = _vectors(sum(sizes), channels)
        self.kinds = _vectors(len(sizes), channels)
        self.pitches = _vectors(N_PITCHES, channels)

    def forward(self) -> Tensor:
        """Add each token's vectors up.

        Returns
        -------
        Tensor, shape (V, C), float32
        """
        kinds = torch.cat([row.expand(size, -1) for row, size in zip(self.kinds, self.sizes, strict=True)])
        pitches = F.pad(self.pitches.repeat(len(GROUPS), 1), (0, 0, 0, len(self.own) - DRUMS))
        return self.own + kinds + pitches


def _vectors(n: int, channels: int) -> nn.Parameter:
    """Vectors of which the sum of three, as a token has them, is about 1 long: logits begin near a deviation of 1."""
    return nn.Parameter(torch.empty(n, channels).normal_(std=1 / math.sqrt(3 * channels)))


class _Layer(nn.Module):
    """Attention, then two products with a GELU between; each is added to what is there."""

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
