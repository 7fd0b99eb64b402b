"""The model that ``wavecore.load`` returns for a note classifier."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.audio.resample import resample
from wavecore.metrics.harmonics import HarmonicSeries, harmonic_series
from wavecore.models.base import Model


@dataclass(frozen=True)
class NoteDescription:
    """What a classifier detects in one sound.

    Attributes
    ----------
    pitch : int
        The most probable MIDI note number.
    pitch_probability : float
        Of that pitch, 0 to 1.
    families, sources : dict of str to float
        Probabilities, which sum to 1, the highest first.
    qualities : tuple of str
        Those with a probability above 0.5.
    series : HarmonicSeries
        The shares of the power that belong to one pitch and to a second.
    """

    pitch: int
    pitch_probability: float
    families: dict[str, float]
    sources: dict[str, float]
    qualities: tuple[str, ...]
    series: HarmonicSeries

    def to_dict(self) -> dict:
        """Return the description as plain JSON values."""
        return asdict(self) | {"qualities": list(self.qualities)}


@dataclass(frozen=True, repr=False)
class NoteClassifierModel(Model):
    """A classifier of single notes: pitch, instrument family, source and qualities."""

    verbs = ("classify",)

    def describe(self) -> str:
        """Return the numbers of families and qualities."""
        config = self.network.config
        return f"{len(config.families)} families, {len(config.sources)} sources, {len(config.qualities)} qualities"

    @torch.inference_mode()
    def classify(self, x: np.ndarray, rate: int) -> NoteDescription:
        """Classify a sound as one note.

        Parameters
        ----------
        x : ndarray, shape (T,), float in [-1, 1]
            Begins with the note.  Shorter sounds than those the model was trained on are continued with silence, of
            longer ones the beginning is classified.
        rate : int
            Hz; resampled to the model's.

        Returns
        -------
        NoteDescription
            Pitch, family, source and qualities with their probabilities.

        Raises
        ------
        InputError
            If the sound is silent, shorter than 2,048 samples, or no finite signal of one channel.

        Examples
        --------
        >>> import wavecore
        >>> t = np.arange(16_000) / 16_000
        >>> tone = sum(np.sin(2 * np.pi * 440 * k * t) / k for k in range(1, 6)) * np.exp(-t) / 3
        >>> note = wavecore.load("ear").classify(tone, 16_000)
        >>> note.pitch, round(note.series.share, 1)
        (69, 1.0)
        """
        config = self.network.config
        x = resample(checks.as_signal(x), from_rate=rate, to_rate=config.sample_rate)
        series = harmonic_series(x, config.sample_rate)
        padded = np.zeros(config.n_samples, np.float32)
        padded[: min(len(x), len(padded))] = x[: len(padded)]
        logits = self.network(torch.from_numpy(padded)[None])
        pitch = torch.softmax(logits.pitch[0].double(), 0)
        bits = zip(config.qualities, logits.quality[0].tolist(), strict=True)
        return NoteDescription(
            int(pitch.argmax()),
            float(pitch.max()),
            _probabilities(config.families, logits.family[0]),
            _probabilities(config.sources, logits.source[0]),
            tuple(name for name, logit in bits if logit > 0),
            series,
        )


def _probabilities(names: tuple[str, ...], logits: torch.Tensor) -> dict[str, float]:
    values = torch.softmax(logits.double(), 0).tolist()
    return dict(sorted(zip(names, values, strict=True), key=lambda item: -item[1]))
