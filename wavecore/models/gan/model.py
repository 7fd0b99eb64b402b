"""Adversarial networks for one line: a generator that writes it from noise, a discriminator that judges it.

Two variants.  ``dense``: layers that write all notes at once, against recurrent layers that read them
one by one.  ``recurrent``: Mogren's, recurrent on both sides (see ``gan_mogren``).

References
----------
Goodfellow et al., "Generative Adversarial Nets", NIPS 2014.
Mogren, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training", NIPS 2016 workshop.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.gan.features import NoteScale
from wavecore.models.gan.recurrent import BidirectionalDiscriminator, RecurrentGenerator

VARIANTS = {"dense": (1, 2), "recurrent": (4,)}
"""Numbers that a note can have in each."""
SLOPE = 0.2
"""Of the leaky rectifiers below zero."""
MOMENTUM = 0.2
"""Of batch norm's running statistics: what is new; the published 0.8 is what stays."""


@dataclass(frozen=True)
class GANConfig:
    """Sizes of two adversaries, what their numbers stand for, and how they are set against each other.

    Attributes
    ----------
    variant : {"dense", "recurrent"}
    features : int
        Numbers of a note (see ``note_features``): of the dense variant 1, where all notes are equally long, or 2; of the recurrent one 4.
    length : int
        Notes of a sequence.
    latent : int
        Numbers of noise: for a sequence of the dense variant, for each note of the recurrent one.
    generator : tuple of int
        Widths of the dense generator's hidden layers.
    judge : tuple of int
        Widths of the hidden layers after the recurrent ones, in the dense variant's discriminator.
    hidden : int
        Width of recurrent layers.
    n_layers : int
        Recurrent layers on each side of the recurrent variant; the dense one's discriminator has two.
    feature_matching : bool
        Whether the generator learns to agree with the data in what the discriminator's last layer hears on the average, in place of
        deceiving it.
    label_smoothing : float
        By how much less than 1 the discriminator is to say of data; 0 for the published training.
    instance_noise : float
        Standard deviation of noise on what the discriminator reads, which falls to zero over the training; 0 for the published training.
    steps_heard : float
        By how much louder than the notes themselves the dense variant's discriminator hears the steps from note to note; 0 for the published
        one, which has to find them out.
    rounded : bool
        Whether what the dense generator writes is brought to the pitches and durations that there are before it is judged, the gradient
        passing as if it were not.  As published it is not, and may be told from data by lying between them.
    lowest, highest, durations, note_steps, steps_per_beat
        As of ``NoteScale``.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """

    variant: str = "dense"
    features: int = 2
    length: int = 100
    latent: int = 1000
    generator: tuple[int, ...] = (256, 512, 1024)
    judge: tuple[int, ...] = (512, 256)
    hidden: int = 512
    n_layers: int = 2
    feature_matching: bool = False
    label_smoothing: float = 0.0
    instance_noise: float = 0.0
    steps_heard: float = 0.0
    rounded: bool = False
    lowest: int = 48
    highest: int = 84
    durations: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16)
    note_steps: int = 2
    steps_per_beat: int = 4

    def __post_init__(self):
        for name in ("generator", "judge", "durations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.variant not in VARIANTS:
            raise UsageError(f"there is no variant {self.variant!r}; it is one of {', '.join(VARIANTS)}")
        if self.features not in VARIANTS[self.variant]:
            wanted = " or ".join(map(str, VARIANTS[self.variant]))
            raise UsageError(f"a note of the {self.variant} variant has {wanted} features, not {self.features}")
        if self.length < 2:
            raise UsageError(f"length is {self.length}; a sequence has at least 2 notes")
        for name in ("latent", "hidden", "n_layers"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; at least 1 is needed")
        for name in ("generator", "judge"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; one layer of width 1 or more is needed")
        if not 0 <= self.label_smoothing < 0.5 or not 0 <= self.instance_noise < float("inf"):
            raise UsageError(
                f"label_smoothing is {self.label_smoothing} (0 to 0.5), instance_noise {self.instance_noise} (0 or more)"
            )
        if not 0 <= self.steps_heard < float("inf"):
            raise UsageError(f"steps_heard is {self.steps_heard}; it is 0 or more")
        if self.variant != "dense" and (self.steps_heard or self.rounded):
            raise UsageError(
                f"steps_heard ({self.steps_heard}) and rounded ({self.rounded}) belong to the dense variant"
            )
        self.scale

    @property
    def scale(self) -> NoteScale:
        """What the numbers stand for."""
        return NoteScale(self.lowest, self.highest, self.durations, self.note_steps, self.steps_per_beat)

    def to_dict(self) -> dict:
        """Return all values as JSON has them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict) -> GANConfig:
        """Build a configuration from what ``to_dict`` returned.

        Raises
        ------
        UsageError
            If a name is unknown or a value out of range.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise UsageError(f"a GAN has no {', '.join(unknown)}")
        return cls(**values)


_RECURRENT = {"variant": "recurrent", "features": 4, "feature_matching": True}
PRESETS = {
    "tiny": GANConfig(length=16, latent=16, generator=(32, 64), judge=(16,), hidden=12),
    "small": GANConfig(
        length=48, latent=128, generator=(128, 256, 512), judge=(128, 64), hidden=96, steps_heard=8.0, rounded=True
    ),
    "gan": GANConfig(features=1),
    "mogren-tiny": GANConfig(**_RECURRENT, length=16, latent=8, hidden=16, n_layers=1),
    "mogren-small": GANConfig(**_RECURRENT, length=48, latent=16, hidden=128),
    "mogren": GANConfig(**_RECURRENT, length=100, latent=4, hidden=350),
}
"""``gan`` and ``mogren`` are the published sizes of the two variants.  The discriminator of ``small`` is helped: that of the published one
guesses as soon as pitches and durations come as often as they should, and never hears that melodies go by steps."""


class GAN(nn.Module):
    """A generator and its discriminator."""

    kind = "gan"

    def __init__(self, config: GANConfig):
        super().__init__()
        self.config = config
        if config.variant == "dense":
            self.generator = DenseGenerator(config.latent, config.generator, config.length, config.features)
            self.discriminator = RecurrentDiscriminator(
                config.features, config.hidden, config.judge, config.steps_heard
            )
        else:
            self.generator = RecurrentGenerator(config.features, config.latent, config.hidden, config.n_layers)
            self.discriminator = BidirectionalDiscriminator(config.features, config.hidden, config.n_layers)

    def forward(self, noise: Tensor) -> Tensor:
        """Write sequences.

        Parameters
        ----------
        noise : Tensor, shape (B, latent) or (B, length, latent), float32
            As ``draw_noise`` returns it.

        Returns
        -------
        Tensor, shape (B, length, features), float32
            -1 to 1, as ``NoteScale`` has it.
        """
        written = self.generator(noise)
        return written + (self._nearest(written) - written).detach() if self.config.rounded else written

    @torch.no_grad()
    def _nearest(self, written: Tensor) -> Tensor:
        """What ``NoteScale.decode`` would read, (B, T, 1 or 2)."""
        semitones = self.config.highest - self.config.lowest
        pitches = ((written[..., :1] + 1) / 2 * semitones).round() / semitones * 2 - 1
        if self.config.features == 1:
            return pitches
        levels = torch.as_tensor(self.config.scale.levels(), dtype=written.dtype, device=written.device)
        return torch.cat([pitches, levels[(written[..., 1:] - levels).abs().argmin(-1, keepdim=True)]], dim=-1)

    def card(self) -> dict:
        """Say what a model folder tells of the network beside its configuration."""
        return {
            "variant": self.config.variant,
            "notes": self.config.length,
            "steps_per_beat": self.config.steps_per_beat,
        }


def draw_noise(config: GANConfig, n: int, rng: np.random.Generator) -> Tensor:
    """Draw what sequences are made of.

    Parameters
    ----------
    n : int
        Sequences.

    Returns
    -------
    Tensor, shape (n, latent) or (n, length, latent), float32
        Normal for the dense variant, even between 0 and 1 for the recurrent one.
    """
    if config.variant == "dense":
        return torch.from_numpy(rng.standard_normal((n, config.latent), dtype=np.float32))
    return torch.from_numpy(rng.random((n, config.length, config.latent), dtype=np.float32))


class DenseGenerator(nn.Module):
    """Noise to all notes at once.

    Parameters
    ----------
    widths : tuple of int
        Of the hidden layers.
    length, n_features : int
        Notes, and numbers of a note.
    """

    def __init__(self, latent: int, widths: tuple[int, ...], length: int, n_features: int):
        super().__init__()
        layers, before = [], latent
        for width in widths:
            layers += [nn.Linear(before, width), nn.LeakyReLU(SLOPE), nn.BatchNorm1d(width, momentum=MOMENTUM)]
            before = width
        self.layers = nn.Sequential(*layers, nn.Linear(before, length * n_features))
        self.shape = (length, n_features)

    def forward(self, noise: Tensor) -> Tensor:
        """Write lines.

        Parameters
        ----------
        noise : Tensor, shape (B, latent), float32

        Returns
        -------
        Tensor, shape (B, length, n_features), float32
            -1 to 1.
        """
        return torch.tanh(self.layers(noise).float()).unflatten(1, self.shape)


class RecurrentDiscriminator(nn.Module):
    """Notes to a verdict: an LSTM, one in both directions, dense layers on their last states.

    Parameters
    ----------
    hidden : int
        Width of the LSTMs.
    widths : tuple of int
        Of the dense hidden layers.
    steps_heard : float
        As of ``GANConfig``.
    """

    def __init__(self, n_features: int, hidden: int, widths: tuple[int, ...], steps_heard: float = 0.0):
        super().__init__()
        self.steps_heard = steps_heard
        self.first = nn.LSTM(n_features * (2 if steps_heard else 1), hidden, batch_first=True)
        self.second = nn.LSTM(hidden, hidden, batch_first=True, bidirectional=True)
        layers, before = [], 2 * hidden
        for width in widths:
            layers += [nn.Linear(before, width), nn.LeakyReLU(SLOPE)]
            before = width
        self.layers, self.output = nn.Sequential(*layers), nn.Linear(before, 1)

    def forward(self, notes: Tensor) -> tuple[Tensor, Tensor]:
        """Judge lines.

        Parameters
        ----------
        notes : Tensor, shape (B, T, n_features), float32

        Returns
        -------
        logits : Tensor, shape (B,), float32
            That they are real.
        heard : Tensor, shape (B, width), float32
            What the verdict is made of.
        """
        if self.steps_heard:
            steps = nn.functional.pad(notes[:, 1:] - notes[:, :-1], (0, 0, 1, 0))  # none leads to the first note
            notes = torch.cat([notes, self.steps_heard * steps], dim=-1)
        _, (last, _) = self.second(self.first(notes)[0])  # (2, B, H)
        heard = self.layers(torch.cat([last[0], last[1]], dim=1))
        return self.output(heard).float()[:, 0], heard.float()
