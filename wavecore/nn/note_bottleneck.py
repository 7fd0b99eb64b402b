"""A latent through which nothing but music passes: which notes sound, whether one begins, how loud it is.

An encoder that is trained to forget the instrument still tells it in a thousand small ways.  Here
each frame is said as a few decisions, a note sounds or does not, and as a level in a few steps; the
latent is an image of them: linear, and where there is a context, convolved over the frames around.  Two
instruments that play the same thing are told apart only where the encoder decides differently, or
where they do not play it alike.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOWEST, HIGHEST = 30, 102
"""MIDI numbers of the lowest and the highest note."""
N_PITCHES = 2 * (HIGHEST - LOWEST) + 1
"""In quarter tones: who whistles is not always in tune."""
N_CODES = N_PITCHES + 2
"""Pitches, an onset, a level."""
LEVELS = 8
"""Values of the level, evenly from 0 to 1."""
NEAR = 4
"""Quarter tones within which one note is heard, and not several: while it slides, its pitch is hard to name."""
FOLLOWING_CHANNELS = 96


class NoteBottleneck(nn.Module):
    """From an encoder's answers to decisions, and from those to a latent.

    Parameters
    ----------
    latent_channels : int
        C.
    context : int
        Frames on either side whose decisions have a part in a frame's latent: when a note began, and how long it goes on,
        a decoder cannot see in one frame.
    """

    def __init__(self, latent_channels: int, context: int = 0):
        super().__init__()
        self.context = context
        self.embedding = nn.Linear(N_CODES, latent_channels)
        # One note is one of many codes: at this scale a frame of one or two gives a latent of about unit power.
        nn.init.normal_(self.embedding.weight, std=0.7)
        nn.init.zeros_(self.embedding.bias)
        if context:
            self.following = nn.Sequential(
                nn.Conv1d(N_CODES, FOLLOWING_CHANNELS, 2 * context + 1),
                nn.ELU(),
                nn.Conv1d(FOLLOWING_CHANNELS, latent_channels, 1),
            )
            # Nothing at first, so that decoders of the plain latent can go on.
            nn.init.zeros_(self.following[-1].weight)
            nn.init.zeros_(self.following[-1].bias)

    def forward(self, answers: Tensor) -> Tensor:
        """Say what passes.

        Parameters
        ----------
        answers : Tensor, shape (B, F + 2 * context, N_CODES), float
            Logits: of every pitch, of an onset, of the level.

        Returns
        -------
        Tensor, shape (B, F, C), float
        """
        decided = decide(answers)
        latent = self.embedding(decided)
        if not self.context:
            return latent
        around = self.following(decided.transpose(1, 2)).transpose(1, 2)
        return latent[:, self.context : latent.shape[1] - self.context] + around

    def plain(self, answers: Tensor) -> Tensor:
        """Say of each frame what it decides itself.

        Parameters
        ----------
        answers : Tensor, shape (B, F, N_CODES), float

        Returns
        -------
        Tensor, shape (B, F, C), float
        """
        return self.embedding(decide(answers))


def decide(answers: Tensor) -> Tensor:
    """Turn answers into decisions; gradients pass as if nothing were rounded.

    A pitch sounds if it is more likely than not.  Where none is, but one of those within ``NEAR`` quarter tones is, as in
    a glide, the likeliest of them sounds.

    Parameters
    ----------
    answers : Tensor, shape (..., N_CODES), float
        Logits.

    Returns
    -------
    Tensor, shape (..., N_CODES), float in [0, 1]
        0 or 1 for every pitch and for an onset; the level in ``LEVELS`` steps.
    """
    soft = torch.sigmoid(answers)
    with torch.no_grad():
        decided = torch.round(soft)
        decided[..., -1] = torch.round(soft[..., -1] * (LEVELS - 1)) / (LEVELS - 1)
        decided[..., :N_PITCHES] += _sliding(soft[..., :N_PITCHES], decided[..., :N_PITCHES])
    return soft + (decided - soft).detach()


def _sliding(soft: Tensor, decided: Tensor) -> Tensor:
    """Which further pitches sound, (..., N_PITCHES): peaks of unclear frames, far from all that is decided."""
    flat = soft.reshape(-1, 1, N_PITCHES)
    width = 2 * NEAR + 1
    together = nn.functional.avg_pool1d(flat, width, stride=1, padding=NEAR) * width
    peak = flat == nn.functional.max_pool1d(flat, width, stride=1, padding=NEAR)
    taken = nn.functional.max_pool1d(decided.reshape(-1, 1, N_PITCHES), width, stride=1, padding=NEAR) > 0
    return (peak & ~taken & (together > 0.5)).reshape(soft.shape).to(soft.dtype)
