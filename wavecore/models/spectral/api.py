"""The model that ``wavecore.load`` returns for a spectral autoencoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wavecore.audio import checks, note_level
from wavecore.audio.resample import resample
from wavecore.audio.sound import Sound
from wavecore.errors import UsageError
from wavecore.models.base import Model, draw_seed
from wavecore.models.spectral.model import reconstruct, to_audio, to_images


@dataclass(frozen=True, repr=False)
class SpectralModel(Model):
    """An autoencoder of single notes: one latent vector for a whole note, as the baseline of the NSynth paper."""

    verbs = ("encode", "decode", "reconstruct")

    def describe(self) -> str:
        """Return the variant, and the longest note."""
        config = self.network.config
        return f"{config.variant}, notes of {config.n_frames * config.hop_length / config.sample_rate:.1f} s"

    @torch.inference_mode()
    def encode(self, x: np.ndarray, rate: int) -> np.ndarray:
        """Encode a note.

        Parameters
        ----------
        x : ndarray, shape (T,), float in [-1, 1]
        rate : int
            Hz; resampled to the model's.

        Returns
        -------
        ndarray, shape (latent_channels,), float32

        Raises
        ------
        InputError, UsageError
            If the note is no finite signal of one channel, or longer than the model's notes.

        Examples
        --------
        >>> from wavecore.models.spectral.config import SpectralConfig
        >>> from wavecore.models.spectral.model import SpectralNetwork
        >>> network = SpectralNetwork(SpectralConfig(base_channels=1, latent_channels=2, pitch_channels=0)).eval()
        >>> model = SpectralModel(network, "untrained", path=None, sha256="", card={})
        >>> model.encode(np.sin(np.arange(800) / 8), 16_000).shape
        (2,)
        """
        images = to_images(torch.from_numpy(self._signal(x, rate))[None], self.network.config)
        return self.network.encode(images)[0].numpy()

    @torch.inference_mode()
    def decode(
        self, latent: np.ndarray, *, pitch: int | None = None, seconds: float = 4.0, seed: int | None = None
    ) -> Sound:
        """Decode a note.

        Parameters
        ----------
        latent : ndarray, shape (latent_channels,), float
        pitch : int, optional
            MIDI note number; required for a model with pitch channels, refused for one without.
        seconds : float
            Length of the sound.
        seed : int, optional
            Seed of the phases that Griffin and Lim's algorithm starts from; drawn if not given, and kept in ``info``.

        Returns
        -------
        Sound
            At the model's rate, with peak 1.

        Examples
        --------
        >>> from wavecore.models.spectral.config import SpectralConfig
        >>> from wavecore.models.spectral.model import SpectralNetwork
        >>> network = SpectralNetwork(SpectralConfig(base_channels=1, latent_channels=2, pitch_channels=0)).eval()
        >>> model = SpectralModel(network, "untrained", path=None, sha256="", card={})
        >>> y, rate = model.decode(np.zeros(2), seconds=0.1, seed=1)
        >>> y.shape, rate
        ((1600,), 16000)
        """
        config, seed = self.network.config, draw_seed(seed)
        latent = np.asarray(latent, np.float32)
        if latent.shape != (config.latent_channels,):
            raise UsageError(f"the latent has shape {latent.shape}, not ({config.latent_channels},)")
        images = self.network.decode(torch.from_numpy(latent)[None], _pitches(pitch))
        audio = to_audio(images, config, round(seconds * config.sample_rate), seed=seed)
        return self._sound(audio[0].numpy(), seed)

    def reconstruct(self, x: np.ndarray, rate: int, *, pitch: int | None = None, seed: int | None = None) -> Sound:
        """Encode and decode a note; the reconstruction has its length and level.

        Parameters
        ----------
        x, rate
            As of ``encode``.
        pitch, seed
            As of ``decode``.

        Returns
        -------
        Sound
            At the model's rate.

        Examples
        --------
        >>> import torch
        >>> from wavecore.models.spectral.config import SpectralConfig
        >>> from wavecore.models.spectral.model import SpectralNetwork
        >>> network = SpectralNetwork(SpectralConfig(base_channels=1, latent_channels=2, pitch_channels=0)).eval()
        >>> model = SpectralModel(network, "untrained", path=None, sha256="", card={})
        >>> y, rate = model.reconstruct(np.sin(np.arange(800) / 8), 16_000, seed=1)
        >>> y.shape, rate
        ((800,), 16000)
        """
        signal, seed = self._signal(x, rate), draw_seed(seed)
        audio = reconstruct(self.network, torch.from_numpy(signal)[None], _pitches(pitch), seed=seed)[0].numpy()
        level_db = note_level.loud_db(signal)
        return self._sound(note_level.level(audio, level_db) if np.isfinite(level_db) else audio, seed)

    def _signal(self, x: np.ndarray, rate: int) -> np.ndarray:
        return resample(checks.as_signal(x), from_rate=rate, to_rate=self.network.config.sample_rate)

    def _sound(self, samples: np.ndarray, seed: int) -> Sound:
        info = {"model": self.name, "model_sha256": self.sha256, "seed": seed}
        return Sound(samples, self.network.config.sample_rate, info)


def _pitches(pitch: int | None) -> torch.Tensor | None:
    return None if pitch is None else torch.tensor([pitch])
