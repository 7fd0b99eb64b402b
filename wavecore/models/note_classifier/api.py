"""What is heard in a sound: its pitch and family by the note classifier, one voice or two by its spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.checkpoint import LoadedModel
from wavecore.errors import UsageError
from wavecore.metrics.harmonics import HarmonicSeries, harmonic_series


@dataclass(frozen=True)
class Heard:
    """What is heard in one sound.

    Attributes
    ----------
    pitch : int
        The likeliest MIDI note number.
    pitch_probability : float
        Of that pitch, 0 to 1.
    families, sources : dict of str to float
        Probabilities, which sum to 1, the likeliest first.
    qualities : tuple of str
        Those that are likelier there than not.
    series : HarmonicSeries
        How much belongs to one pitch, and how much to a second.
    """

    pitch: int
    pitch_probability: float
    families: dict[str, float]
    sources: dict[str, float]
    qualities: tuple[str, ...]
    series: HarmonicSeries

    def to_dict(self) -> dict:
        """Return what was heard as plain JSON values."""
        return asdict(self) | {"qualities": list(self.qualities)}


@torch.inference_mode()
def listen(classifier: LoadedModel, sounds: Sequence[np.ndarray], sample_rate: int) -> list[Heard]:
    """Listen to sounds, one by one.

    Parameters
    ----------
    classifier : LoadedModel
        Of kind ``note-classifier``.
    sounds : sequence of ndarray, shape (T_i,), float in [-1, 1]
        Of what is longer than the notes that the classifier learned from, the beginning is
        judged; what is shorter ends in silence.
    sample_rate : int
        Hz; the classifier's.

    Raises
    ------
    UsageError
        If the classifier hears another rate.
    InputError
        If a sound is silent, too short for a spectrum, or no finite signal of one channel.
    """
    config = classifier.network.config
    if sample_rate != config.sample_rate:
        raise UsageError(f"{classifier.name} hears sounds at {config.sample_rate} Hz, not {sample_rate} Hz")
    found = []
    for i, sound in enumerate(sounds):
        x = checks.as_signal(sound, what=f"sound {i + 1}").astype(np.float32)
        series = harmonic_series(x, sample_rate)
        padded = np.zeros(config.n_samples, np.float32)
        padded[: min(len(x), len(padded))] = x[: len(padded)]
        logits = classifier.network(torch.from_numpy(padded)[None])
        pitch = torch.softmax(logits.pitch[0].double(), 0)
        found.append(
            Heard(
                int(pitch.argmax()),
                float(pitch.max()),
                _posterior(config.families, logits.family[0]),
                _posterior(config.sources, logits.source[0]),
                tuple(
                    name for name, value in zip(config.qualities, logits.quality[0].tolist(), strict=True) if value > 0
                ),
                series,
            )
        )
    return found


def _posterior(names: tuple[str, ...], logits: torch.Tensor) -> dict[str, float]:
    shares = torch.softmax(logits.double(), 0).tolist()
    return dict(sorted(zip(names, shares, strict=True), key=lambda item: -item[1]))
