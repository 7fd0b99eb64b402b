"""A listener that tells domains apart by timbre, trained apart from the network that it judges.

What it hears of a sound are the mean, the spread and the movement of its mel levels: enough to tell
a flute from an organ, and little that a melody would change.  It is a linear classifier, fitted
anew to true sounds of every domain in a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from wavecore.audio import spectra
from wavecore.errors import InputError

N_MELS, N_FFT, HOP_LENGTH = 64, 1024, 256
FLOOR_DB = -60.0
"""Relative to a sound's own loudness."""
WEIGHT_PENALTY = 1e-3
ITERATIONS = 200


class DomainEar:
    """Fitted to sounds of known domains.

    Parameters
    ----------
    sounds : mapping of str to sequence of ndarray, shape (T,), float
        Two domains or more.
    sample_rate : int
        Hz.

    Raises
    ------
    InputError
        If there are fewer than two domains, or one has no sounds.
    """

    def __init__(self, sounds: Mapping[str, Sequence[np.ndarray]], *, sample_rate: int):
        if len(sounds) < 2 or not all(len(group) for group in sounds.values()):
            counts = {name: len(group) for name, group in sounds.items()}
            raise InputError(f"to tell domains apart takes sounds of two or more; there are {counts}")
        self.domains, self.sample_rate = tuple(sounds), sample_rate
        x = np.stack([self._features(sound) for group in sounds.values() for sound in group])
        labels = np.repeat(np.arange(len(sounds)), [len(group) for group in sounds.values()])
        self._middle, self._spread = x.mean(axis=0), x.std(axis=0) + 1e-3
        self._weight, self._bias = _fit((x - self._middle) / self._spread, labels, len(sounds))

    def posterior(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Say how likely each domain is.

        Parameters
        ----------
        sounds : sequence of ndarray, shape (T,), float

        Returns
        -------
        ndarray, shape (n, n_domains), float64
            Rows sum to 1.
        """
        x = (np.stack([self._features(sound) for sound in sounds]) - self._middle) / self._spread
        logits = x @ self._weight + self._bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def accuracy(self, sounds: Sequence[np.ndarray], domain: str) -> float:
        """Say which share of sounds it takes for a domain's.

        Parameters
        ----------
        sounds : sequence of ndarray, shape (T,), float

        Returns
        -------
        float
            0 to 1; silence is nobody's.

        Raises
        ------
        InputError
            If it does not know the domain.
        """
        if domain not in self.domains:
            raise InputError(f"this listener does not know {domain!r}; it knows {', '.join(self.domains)}")
        named = self.posterior(sounds).argmax(axis=1) == self.domains.index(domain)
        return float(np.mean([right and bool(np.any(sound)) for right, sound in zip(named, sounds, strict=True)]))

    def _features(self, sound: np.ndarray) -> np.ndarray:
        """Mean, spread and movement of the mel levels: (3 * N_MELS,)."""
        power = float(np.square(sound, dtype=np.float64).mean())
        scaled = (sound / np.sqrt(max(power, 1e-20))).astype(np.float32)
        mel = spectra.mel_spectrogram(
            scaled, sample_rate=self.sample_rate, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS
        )
        levels = np.maximum(20 * np.log10(np.maximum(mel, 1e-10)), FLOOR_DB)
        return np.concatenate(
            [levels.mean(axis=1), levels.std(axis=1), np.abs(np.diff(levels, axis=1)).mean(axis=1)]
        ).astype(np.float64)


def _fit(x: np.ndarray, labels: np.ndarray, n_domains: int) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression, every domain counting the same."""
    inputs, wanted = torch.from_numpy(x), torch.from_numpy(labels)
    counts = torch.bincount(wanted, minlength=n_domains).double()
    weight = torch.zeros(x.shape[1], n_domains, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(n_domains, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(inputs @ weight + bias, wanted, weight=counts.mean() / counts)
        loss = loss + WEIGHT_PENALTY * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weight.detach().numpy(), bias.detach().numpy()
