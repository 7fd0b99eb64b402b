"""MuseGAN: phrases of several tracks, written whole from noise, and critics that tell them from real ones.

A phrase is a roll of some bars.  It is written from scratch, or, where the network was made so, to go
with a track that is given.

References
----------
Dong, Hsiao, Yang and Yang, "MuseGAN: Multi-track Sequential Generative Adversarial Networks for Symbolic
Music Generation and Accompaniment", AAAI 2018: the three variants, the temporal model, the given track.
Foster, "Generative Deep Learning", second edition, O'Reilly 2023, chapter 11: the sizes for chorales.
Dong and Yang, "Convolutional Generative Adversarial Networks with Binary Neurons for Polyphonic Music
Generation", ISMIR 2018: binary neurons.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.musegan.config import NEURONS, MuseGANConfig
from wavecore.models.musegan.critic import Critic
from wavecore.models.musegan.generators import Generator


class MuseGAN(nn.Module):
    """Generators and critics."""

    kind = "musegan"

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        jamming = config.variant == "jamming"
        heard = 1 + bool(config.given) if jamming else len(config.tracks)
        self.critics = nn.ModuleList(Critic(heard, config) for _ in range(config.n_written if jamming else 1))

    def forward(self, noise: Tensor, given: Tensor | None = None, *, uniform: Tensor | None = None) -> Tensor:
        """Write phrases as the critics hear them.

        Parameters
        ----------
        noise : Tensor, shape (B, R, Z), float
            Rows as ``config.noise_rows`` says.
        given : Tensor, shape (B, bars, steps, pitches), float, optional
            The given track, -1 and 1; exactly where the network has one.
        uniform : Tensor, shape (B, bars, steps, pitches, n_written), float, optional
            Draws from 0 to 1, for Bernoulli neurons.

        Returns
        -------
        Tensor, shape (B, bars, steps, pitches, tracks), float
            In -1 to 1; the given track is what was given.

        Raises
        ------
        UsageError
            If a track is given and the network has none, or the other way round, or draws are missing.
        """
        written = binarised(self.generator(noise, given), self.config.neurons, uniform)
        place = self.config.given_index
        if place is None:
            return written
        return torch.cat([written[..., :place], given[..., None].to(written.dtype), written[..., place:]], dim=-1)

    def judge(self, phrases: Tensor) -> Tensor:
        """Let all critics judge phrases.

        Parameters
        ----------
        phrases : Tensor, shape (B, bars, steps, pitches, tracks), float
            In -1 to 1.

        Returns
        -------
        Tensor, shape (B, n_critics)
            One, or where tracks jam one for each that is written; each of these hears the given track beside its own.
        """
        if self.config.variant != "jamming":
            return self.critics[0](phrases)[:, None]
        place = self.config.given_index
        own = [number for number in range(len(self.config.tracks)) if number != place]
        heard = [[number] if place is None else [number, place] for number in own]
        return torch.stack(
            [critic(phrases[..., numbers]) for critic, numbers in zip(self.critics, heard, strict=True)], dim=1
        )

    def card(self) -> dict:
        """Say what a model folder tells of the network beside its sizes."""
        return {
            "variant": self.config.variant,
            "tracks": [track.label for track in self.config.tracks],
            "given": self.config.given,
        }


def binarised(cells: Tensor, neurons: str, uniform: Tensor | None = None) -> Tensor:
    """Light cells; the gradient passes as if nothing had been done.

    Parameters
    ----------
    cells : Tensor, any shape, float
        In -1 to 1.
    neurons : {"real", "threshold", "bernoulli"}
        ``real`` leaves them as they are, ``threshold`` lights those above 0, ``bernoulli`` lights each with the probability (x + 1) / 2.
    uniform : Tensor, shape of `cells`, float, optional
        Draws from 0 to 1, for ``bernoulli``.

    Returns
    -------
    Tensor, shape of `cells`
        -1 and 1, or the cells.

    Raises
    ------
    UsageError
        If there are no such neurons, or draws are missing.

    References
    ----------
    Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through Stochastic Neurons for
    Conditional Computation", 2013: the straight-through estimator.
    """
    if neurons == "real":
        return cells
    if neurons not in NEURONS:
        raise UsageError(f"there are no neurons {neurons!r}; choose from {', '.join(NEURONS)}")
    if neurons == "bernoulli" and uniform is None:
        raise UsageError("Bernoulli neurons need draws from 0 to 1, and none were given")
    threshold = 0.0 if neurons == "threshold" else 2 * uniform - 1
    lit = torch.where(cells > threshold, 1.0, -1.0).to(cells.dtype)
    return cells + (lit - cells).detach()
