"""MuseGAN: generators of phrases of several tracks from noise, and critics of real and generated phrases.

A phrase is a roll of some bars, generated from noise alone or, if the network has one, conditioned on a given track.

References
----------
Dong, Hsiao, Yang and Yang, "MuseGAN: Multi-track Sequential Generative Adversarial Networks for Symbolic Music
Generation and Accompaniment", AAAI 2018: the three variants, the temporal model, the given track.
Foster, "Generative Deep Learning", second edition, O'Reilly 2023, chapter 11: the sizes for chorales.
Dong and Yang, "Convolutional Generative Adversarial Networks with Binary Neurons for Polyphonic Music Generation",
ISMIR 2018: binary neurons.
Bengio, Léonard and Courville, "Estimating or Propagating Gradients Through Stochastic Neurons for Conditional
Computation", 2013: the straight-through estimator.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wavecore.errors import UsageError
from wavecore.models.musegan.config import MuseGANConfig

SLOPE = 0.2
"""Of leaky rectifiers below zero."""
SILENT = -1.0
"""Initial bias of the cells, before tanh: most cells of music are silent, and the generator begins so."""


class MuseGAN(nn.Module):
    """Generators and critics; ``MuseGANConfig`` describes them."""

    kind = "musegan"

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        jamming = config.variant == "jamming"
        n_inputs = 1 + bool(config.given) if jamming else len(config.tracks)
        n_critics = config.n_generated if jamming else 1
        self.critics = nn.ModuleList(Critic(n_inputs, config) for _ in range(n_critics))

    def forward(self, noise: Tensor, given: Tensor | None = None, *, uniform: Tensor | None = None) -> Tensor:
        """Generate phrases as the critics receive them.

        Parameters
        ----------
        noise : Tensor, shape (B, R, Z), float
            Rows as of ``config.noise_rows``.
        given : Tensor, shape (B, bars, steps, pitches), float, optional
            The given track, -1 and 1; for networks that have one, and only those.
        uniform : Tensor, shape (B, bars, steps, pitches, n_generated), float, optional
            Random numbers from 0 to 1, for Bernoulli neurons.

        Returns
        -------
        Tensor, shape (B, bars, steps, pitches, tracks), float
            In -1 to 1; the given track is unchanged.

        Raises
        ------
        UsageError
            If a track is given to a network without one, or none to a network with one.
        """
        generated = apply_neurons(self.generator(noise, given), self.config.neurons, uniform)
        index = self.config.given_index
        if index is None:
            return generated
        track = given[..., None].to(generated.dtype)
        return torch.cat([generated[..., :index], track, generated[..., index:]], dim=-1)

    def scores(self, phrases: Tensor) -> Tensor:
        """Return the critics' scores of phrases, shape (B, bars, steps, pitches, tracks), -1 to 1.

        Returns
        -------
        Tensor, shape (B, n_critics)
            In the jamming variant one for each generated track, of that track and the given one; else one.
        """
        if self.config.variant != "jamming":
            return self.critics[0](phrases)[:, None]
        given = self.config.given_index
        others = [index for index in range(len(self.config.tracks)) if index != given]
        inputs = [[index] if given is None else [index, given] for index in others]
        return torch.stack(
            [critic(phrases[..., tracks]) for critic, tracks in zip(self.critics, inputs, strict=True)], dim=1
        )

    def card(self) -> dict:
        """Return what a model folder keeps beside the configuration."""
        return {
            "variant": self.config.variant,
            "tracks": [track.label for track in self.config.tracks],
            "given": self.config.given,
        }


def apply_neurons(cells: Tensor, neurons: str, uniform: Tensor | None = None) -> Tensor:
    """Make cells in -1 to 1 binary, -1 or 1, with a straight-through gradient.

    ``real`` neurons leave them, ``threshold`` neurons activate those above 0, ``bernoulli`` neurons each with the
    probability (x + 1) / 2, for which ``uniform`` holds random numbers from 0 to 1.
    """
    if neurons == "real":
        return cells
    threshold = 0.0 if neurons == "threshold" else 2 * uniform - 1
    binary = torch.where(cells > threshold, 1.0, -1.0).to(cells.dtype)
    return cells + (binary - cells).detach()


class Generator(nn.Module):
    """Temporal networks, generators of bars, and the encoder of a given track."""

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        self.config = config
        rows = config.noise_rows
        width = config.noise * (len(set(rows)) + bool(config.given))
        self.encoder = Encoder(config) if config.given else None
        self.temporal = nn.ModuleList(TemporalNetwork(config) for row in rows if row in ("chords", "melody"))
        n_bars, n_tracks = (1, config.n_generated) if config.variant == "composer" else (config.n_generated, 1)
        self.bars = nn.ModuleList(BarGenerator(width, n_tracks, config) for _ in range(n_bars))

    def forward(self, noise: Tensor, given: Tensor | None = None) -> Tensor:
        """Generate cells in -1 to 1, shape (B, bars, steps, pitches, n_generated); arguments as of ``MuseGAN``."""
        if given is None and self.encoder is not None:
            raise UsageError(f"the network needs the track {self.config.given!r}, and none is given")
        if given is not None and self.encoder is None:
            raise UsageError("the network generates all tracks; none can be given")
        temporal = iter(self.temporal)
        conditioning: dict[str, list[Tensor]] = {}
        for number, row in enumerate(self.config.noise_rows):
            vector = noise[:, number]
            if row in ("style", "groove"):
                vectors = vector[:, None].expand(-1, self.config.bars, -1)
            else:
                vectors = next(temporal)(vector)
            conditioning.setdefault(row, []).append(vectors)
        if self.encoder is not None:
            conditioning["given"] = [self.encoder(given)]
        generated = []
        for number, generator in enumerate(self.bars):
            # Rows common to all tracks have one vector, a track's own rows one for each.
            vectors = [each[number] if row in ("groove", "melody") else each[0] for row, each in conditioning.items()]
            generated.append(generator(torch.cat(vectors, dim=-1)))
        return torch.cat(generated, dim=-1)


class TemporalNetwork(nn.Module):
    """Transposed convolutions from one noise vector to one for each bar."""

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        layers = []
        for n_in, n_out, size in ((config.noise, config.channels, 2), (config.channels, config.noise, config.bars - 1)):
            layers += [nn.ConvTranspose2d(n_in, n_out, (size, 1), bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Map vectors, shape (B, Z), to those of bars, shape (B, bars, Z)."""
        return self.layers(noise[:, :, None, None])[..., 0].transpose(1, 2)


class BarGenerator(nn.Module):
    """Upsampling in steps and then in pitches, from a vector of width ``n_in`` to a bar of ``n_tracks`` tracks."""

    def __init__(self, n_in: int, n_tracks: int, config: MuseGANConfig):
        super().__init__()
        wide, narrow = config.channels, config.channels // 2
        begin, *factors = config.step_factors
        octaves, octave = config.pitch_factors
        widths = [wide, *[wide, *[narrow] * len(factors)][: len(factors)]]
        self.begin = (begin, 1, wide)
        self.first = nn.Sequential(nn.Linear(n_in, wide * begin), nn.BatchNorm1d(wide * begin), nn.ReLU())
        layers = [Upsampling(widths[i], widths[i + 1], (factor, 1)) for i, factor in enumerate(factors)]
        layers += [
            Upsampling(widths[-1], narrow, (1, octaves)),
            Upsampling(narrow, n_tracks, (1, octave), is_last=True),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, vectors: Tensor) -> Tensor:
        """Map vectors, shape (B, bars, n_in), to cells in -1 to 1, shape (B, bars, steps, pitches, n_tracks)."""
        return self.layers(self.first(vectors.flatten(0, 1)).view(-1, *self.begin)).unflatten(0, vectors.shape[:2])


class Encoder(nn.Module):
    """Strided convolutions from the bars of a given track to vectors that condition the other tracks."""

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        n, (octaves, octave) = config.critic_channels, config.pitch_factors
        kernels = [(1, octave), (1, octaves), *((factor, 1) for factor in reversed(config.step_factors[1:]))]
        layers = []
        for number, kernel in enumerate(kernels):
            layers.append(nn.Conv2d(n if number else 1, n, kernel, kernel, bias=False))
            layers += [nn.BatchNorm2d(n), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(n * config.step_factors[0], config.noise))

    def forward(self, track: Tensor) -> Tensor:
        """Map a track, shape (B, bars, steps, pitches), -1 and 1, to vectors, shape (B, bars, Z)."""
        return self.layers(track.flatten(0, 1)[:, None]).unflatten(0, track.shape[:2])


class Critic(nn.Module):
    """Three-dimensional convolutions from a phrase to a score, the higher the more it is like the data.

    The first layers compare each bar with the next, then all of these; the others downsample pitches, by octaves, and
    steps.  There is no batch norm, since the gradient penalty is one for each phrase.
    """

    def __init__(self, n_tracks: int, config: MuseGANConfig):
        super().__init__()
        n, (octaves, octave) = config.critic_channels, config.pitch_factors
        self.over_bars = nn.Sequential(
            AxisConvolution(n_tracks, 2 * n, (2, 1, 1), 1), AxisConvolution(2 * n, n, (config.bars - 1, 1, 1), 1)
        )
        self.over_pitches = nn.Sequential(
            AxisConvolution(n, n, (1, 1, octave), octave), AxisConvolution(n, n, (1, 1, octaves), octaves)
        )
        steps, width = [], n
        factors = [factor for factor in reversed(config.step_factors) if factor > 1]
        for left, factor in zip(range(len(factors), 0, -1), factors, strict=True):
            # Kernels of the last two layers are wider than their strides.
            n_out, more = {1: (4 * n, 1), 2: (2 * n, 2)}.get(left, (n, 0))
            padding = (more // 2, more - more // 2)
            steps.append(AxisConvolution(width, n_out, (1, factor + more, 1), factor, padding=padding))
            width = n_out
        self.over_steps = nn.Sequential(*steps)
        self.last = nn.Sequential(nn.Linear(width, 8 * n), nn.LeakyReLU(SLOPE), nn.Linear(8 * n, 1))

    def forward(self, phrases: Tensor) -> Tensor:
        """Return the scores, shape (B,), of phrases, shape (B, bars, steps, pitches, n_tracks), -1 to 1."""
        x = self.over_bars(phrases.permute(0, 2, 3, 1, 4))[..., 0, :]  # (B, steps, pitches, channels)
        x = self.over_pitches(x)[..., 0, :]  # (B, steps, channels)
        return self.last(self.over_steps(x)[:, 0])[:, 0]


# All kernels reach along one axis, and most are as wide as their strides.  With channels last such a layer is a matrix
# product on a view of its input: several times as fast on a CPU as torch's convolutions, and cheap to differentiate
# twice.


class Upsampling(nn.Module):
    """A transposed convolution whose kernel, in steps and pitches, is its stride, then batch norm and ReLU.

    The last one has a bias instead of the norm, and ends in tanh.
    """

    def __init__(self, n_in: int, n_out: int, kernel: tuple[int, int], *, is_last: bool = False):
        super().__init__()
        self.convolution = nn.ConvTranspose2d(n_in, n_out, kernel, kernel, bias=is_last)
        self.norm = None if is_last else nn.BatchNorm1d(n_out)
        if is_last:
            nn.init.constant_(self.convolution.bias, SILENT)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, steps, pitches, n_in), with one pitch while steps grow, to (N, more steps, more pitches, n_out)."""
        weight = self.convolution.weight  # (n_in, n_out, *kernel)
        (n, steps, pitches, n_in), n_out = x.shape, weight.shape[1]
        step_factor, pitch_factor = self.convolution.kernel_size
        cells = (x.reshape(-1, n_in) @ weight.permute(0, 2, 3, 1).reshape(n_in, -1)).view(-1, n_out)
        cells = (cells + self.convolution.bias).tanh() if self.norm is None else F.relu(self.norm(cells))
        return cells.view(n, steps * step_factor, pitches * pitch_factor, n_out)


class AxisConvolution(nn.Module):
    """A convolution in bars, steps and pitches whose kernel reaches along one of them, then a leaky rectifier.

    ``stride`` and ``padding``, zeros before and after, are those along this axis.
    """

    def __init__(
        self, n_in: int, n_out: int, kernel: tuple[int, int, int], stride: int, *, padding: tuple[int, int] = (0, 0)
    ):
        super().__init__()
        self.convolution = nn.Conv3d(n_in, n_out, kernel)
        self.size, self.stride, self.padding = max(kernel), stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., length, n_in), the kernel's axis before the channels, to (..., shorter length, n_out)."""
        if any(self.padding):
            x = F.pad(x, (0, 0, *self.padding))
        if self.size in (self.stride, x.shape[-2]):
            windows = x.unflatten(-2, (-1, self.size))
        else:
            windows = x.unfold(-2, self.size, self.stride).transpose(-1, -2)
        weight = self.convolution.weight.flatten(2).transpose(1, 2).flatten(1)  # (n_out, size * n_in)
        return F.leaky_relu(F.linear(windows.flatten(-2), weight, self.convolution.bias), SLOPE)
