"""A classifier of domains by timbre, fitted to true sounds, which judges generated ones.

Its features are the mean, the spread and the movement of mel levels, which differ between instruments and little
between melodies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wavecore.audio import spectra
from wavecore.errors import InputError

N_MELS, N_FFT, HOP_LENGTH = 64, 1024, 256
FLOOR_DB = -60.0
"""Relative to a sound's own level."""
WEIGHT_PENALTY = 1e-3
ITERATIONS = 200


class DomainJudge:
    """A linear classifier of domains, fitted to sounds, shape (T,), of two domains or more.

    Raises
    ------
    InputError
        If there are fewer than two domains, or one has no sounds.
    """

    def __init__(self, sounds: Mapping[str, Sequence[np.ndarray]], *, sample_rate: int):
        from sklearn.linear_model import LogisticRegression

        if len(sounds) < 2 or not all(len(group) for group in sounds.values()):
            counts = {name: len(group) for name, group in sounds.items()}
            raise InputError(f"a judge of domains needs sounds of two domains or more; there are {counts}")
        self.domains, self.sample_rate = tuple(sounds), sample_rate
        x = np.stack([self._features(sound) for group in sounds.values() for sound in group])
        labels = np.repeat(np.arange(len(sounds)), [len(group) for group in sounds.values()])
        self._mean, self._scale = x.mean(axis=0), x.std(axis=0) + 1e-3
        self._classifier = LogisticRegression(
            C=1 / (2 * WEIGHT_PENALTY * len(x)), class_weight="balanced", max_iter=ITERATIONS
        ).fit((x - self._mean) / self._scale, labels)

    def posterior(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Return the probability of each domain, shape (n, n_domains), float64."""
        x = np.stack([self._features(sound) for sound in sounds])
        return self._classifier.predict_proba((x - self._mean) / self._scale)

    def accuracy(self, sounds: Sequence[np.ndarray], domain: str) -> float:
        """Return the share of sounds that are classified as a domain; silence never is.

        Raises
        ------
        InputError
            If the judge was not fitted to the domain.
        """
        if domain not in self.domains:
            raise InputError(f"this judge does not know {domain!r}; it knows {', '.join(self.domains)}")
        named = self.posterior(sounds).argmax(axis=1) == self.domains.index(domain)
        return float(np.mean([right and bool(np.any(sound)) for right, sound in zip(named, sounds, strict=True)]))

    def _features(self, sound: np.ndarray) -> np.ndarray:
        """Return mean, spread and movement of the mel levels, (3 * N_MELS,)."""
        power = float(np.square(sound, dtype=np.float64).mean())
        scaled = (sound / np.sqrt(max(power, 1e-20))).astype(np.float32)
        mel = spectra.mel_spectrogram(
            scaled, sample_rate=self.sample_rate, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS
        )
        levels = np.maximum(20 * np.log10(np.maximum(mel, 1e-10)), FLOOR_DB)
        movement = np.abs(np.diff(levels, axis=1)).mean(axis=1)
        return np.concatenate([levels.mean(axis=1), levels.std(axis=1), movement]).astype(np.float64)
