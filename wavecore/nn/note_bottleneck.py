"""A latent that holds notes alone: which pitches sound, whether a note begins, and how loud it is.

A continuous latent still reveals the instrument, however the encoder is trained against it.  Here each frame is reduced
to binary decisions and a level in a few steps; the latent is a linear map of them and, where there is a context, of the
surrounding frames' decisions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOWEST, HIGHEST = 30, 102
"""MIDI numbers of the lowest and the highest note."""
N_PITCHES = 2 * (HIGHEST - LOWEST) + 1
"""In quarter tones, since whistling is not always in tune."""
N_CODES = N_PITCHES + 2
"""Pitches, an onset, a level."""
LEVELS = 8
"""Values of the level, evenly from 0 to 1."""
NEAR = 4
"""Quarter tones within which two pitches are one note: in a glide the pitch is ambiguous."""
CONTEXT_CHANNELS = 96


class NoteBottleneck(nn.Module):
    """From an encoder's logits to decisions, and from those to a latent of `latent_channels`.

    The decisions of `context` frames on either side contribute to a frame's latent: one frame does not show when its
    note began and how long it will last.
    """

    def __init__(self, latent_channels: int, context: int = 0):
        super().__init__()
        self.context = context
        self.embedding = nn.Linear(N_CODES, latent_channels)
        # A frame has one or two notes of many codes; with this scale its latent has about unit power.
        nn.init.normal_(self.embedding.weight, std=0.7)
        nn.init.zeros_(self.embedding.bias)
        if context:
            self.following = nn.Sequential(
                nn.Conv1d(N_CODES, CONTEXT_CHANNELS, 2 * context + 1),
                nn.ELU(),
                nn.Conv1d(CONTEXT_CHANNELS, latent_channels, 1),
            )
            # Zero at first, so that decoders trained without a context can be trained further.
            nn.init.zeros_(self.following[-1].weight)
            nn.init.zeros_(self.following[-1].bias)

    def forward(self, logits: Tensor) -> Tensor:
        """Map logits, (B, F + 2 * context, N_CODES), of pitches, an onset and a level to a latent, shape (B, F, C)."""
        decisions = decide(logits)
        latent = self.embedding(decisions)
        if not self.context:
            return latent
        surrounding = self.following(decisions.transpose(1, 2)).transpose(1, 2)
        return latent[:, self.context : latent.shape[1] - self.context] + surrounding

    def embed(self, logits: Tensor) -> Tensor:
        """Map logits, shape (B, F, N_CODES), to a latent, shape (B, F, C), without the context."""
        return self.embedding(decide(logits))


def decide(logits: Tensor) -> Tensor:
    """Turn logits into decisions, with straight-through gradients.

    A pitch sounds if its probability is above a half.  In a glide, where none is but the probabilities within ``NEAR``
    quarter tones add up to more than a half, the likeliest of them sounds.

    Parameters
    ----------
    logits : Tensor, shape (..., N_CODES), float

    Returns
    -------
    Tensor, shape (..., N_CODES), float in [0, 1]
        0 or 1 for every pitch and for an onset; the level in ``LEVELS`` steps.
    """
    soft = torch.sigmoid(logits)
    with torch.no_grad():
        decisions = torch.round(soft)
        decisions[..., -1] = torch.round(soft[..., -1] * (LEVELS - 1)) / (LEVELS - 1)
        decisions[..., :N_PITCHES] += _glides(soft[..., :N_PITCHES], decisions[..., :N_PITCHES])
    return soft + (decisions - soft).detach()


def _glides(soft: Tensor, decisions: Tensor) -> Tensor:
    """Return which further pitches sound, (..., N_PITCHES): peaks of ambiguous frames, far from decided ones."""
    flat = soft.reshape(-1, 1, N_PITCHES)
    width = 2 * NEAR + 1
    total = nn.functional.avg_pool1d(flat, width, stride=1, padding=NEAR) * width
    peak = flat == nn.functional.max_pool1d(flat, width, stride=1, padding=NEAR)
    taken = nn.functional.max_pool1d(decisions.reshape(-1, 1, N_PITCHES), width, stride=1, padding=NEAR) > 0
    return (peak & ~taken & (total > 0.5)).reshape(soft.shape).to(soft.dtype)
