"""From noise to phrases: the temporal networks, the generators of bars, the encoder of a given track."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.layers import SLOPE, DrawnOut


class TemporalNetwork(nn.Module):
    """One noise vector becomes one for each bar."""

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        layers = []
        for n_in, n_out, size in ((config.noise, config.channels, 2), (config.channels, config.noise, config.bars - 1)):
            layers += [nn.ConvTranspose2d(n_in, n_out, (size, 1), bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Unroll noise over bars.

        Parameters
        ----------
        noise : Tensor, shape (B, Z), float

        Returns
        -------
        Tensor, shape (B, bars, Z)
        """
        return self.layers(noise[:, :, None, None])[..., 0].transpose(1, 2)


class BarGenerator(nn.Module):
    """One vector becomes one bar.

    Parameters
    ----------
    n_in : int
        Width of the vector.
    n_tracks : int
        That it writes.
    """

    def __init__(self, n_in: int, n_tracks: int, config: MuseGANConfig):
        super().__init__()
        wide, narrow = config.channels, config.channels // 2
        begin, *times = config.step_factors
        octaves, octave = config.pitch_factors
        widths = [wide, *[wide, *[narrow] * len(times)][: len(times)]]
        self.begin = (begin, 1, wide)
        self.first = nn.Sequential(nn.Linear(n_in, wide * begin), nn.BatchNorm1d(wide * begin), nn.ReLU())
        layers = [DrawnOut(widths[i], widths[i + 1], (factor, 1)) for i, factor in enumerate(times)]
        layers += [DrawnOut(widths[-1], narrow, (1, octaves)), DrawnOut(narrow, n_tracks, (1, octave), is_last=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, vectors: Tensor) -> Tensor:
        """Write bars.

        Parameters
        ----------
        vectors : Tensor, shape (B, bars, n_in), float

        Returns
        -------
        Tensor, shape (B, bars, steps, pitches, n_tracks), float
            In -1 to 1.
        """
        return self.layers(self.first(vectors.flatten(0, 1)).view(-1, *self.begin)).unflatten(0, vectors.shape[:2])


class Encoder(nn.Module):
    """A given track's bars become vectors: what the other tracks are told of it."""

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        n, (octaves, octave) = config.critic_channels, config.pitch_factors
        kernels = [(1, octave), (1, octaves), *((factor, 1) for factor in reversed(config.step_factors[1:]))]
        layers = []
        for number, kernel in enumerate(kernels):
            layers += [
                nn.Conv2d(n if number else 1, n, kernel, kernel, bias=False),
                nn.BatchNorm2d(n),
                nn.LeakyReLU(SLOPE),
            ]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(n * config.step_factors[0], config.noise))

    def forward(self, track: Tensor) -> Tensor:
        """Tell of bars.

        Parameters
        ----------
        track : Tensor, shape (B, bars, steps, pitches), float
            -1 and 1.

        Returns
        -------
        Tensor, shape (B, bars, Z)
        """
        return self.layers(track.flatten(0, 1)[:, None]).unflatten(0, track.shape[:2])


class Generator(nn.Module):
    """All of a MuseGAN that writes."""

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        self.config = config
        rows = config.noise_rows
        width = config.noise * (len(set(rows)) + bool(config.given))
        self.encoder = Encoder(config) if config.given else None
        self.temporal = nn.ModuleList(TemporalNetwork(config) for row in rows if row in ("chords", "melody"))
        alone = config.variant == "composer"
        self.bars = nn.ModuleList(
            BarGenerator(width, config.n_written if alone else 1, config)
            for _ in range(1 if alone else config.n_written)
        )

    def forward(self, noise: Tensor, given: Tensor | None = None) -> Tensor:
        """Write phrases.

        Parameters
        ----------
        noise : Tensor, shape (B, R, Z), float
            Rows as ``config.noise_rows`` says.
        given : Tensor, shape (B, bars, steps, pitches), float, optional
            -1 and 1: the given track, where there is one.

        Returns
        -------
        Tensor, shape (B, bars, steps, pitches, n_written), float
            In -1 to 1.

        Raises
        ------
        UsageError
            If a track is given and the network has none, or the other way round.
        """
        if (given is None) != (self.encoder is None):
            raise UsageError(
                f"the network {f'needs the track {self.config.given!r}' if given is None else 'writes all tracks; none can be given'}"
            )
        rows, temporal = self.config.noise_rows, iter(self.temporal)
        told: dict[str, list[Tensor]] = {}
        for number, row in enumerate(rows):
            vector = noise[:, number]
            still = row in ("style", "groove")
            told.setdefault(row, []).append(
                vector[:, None].expand(-1, self.config.bars, -1) if still else next(temporal)(vector)
            )
        if self.encoder is not None:
            told["given"] = [self.encoder(given)]
        written = []
        for number, generator in enumerate(self.bars):
            # What is common to all tracks has one vector, what is a track's own one for each.
            vectors = [found[number] if row in ("groove", "melody") else found[0] for row, found in told.items()]
            written.append(generator(torch.cat(vectors, dim=-1)))
        return torch.cat(written, dim=-1)
