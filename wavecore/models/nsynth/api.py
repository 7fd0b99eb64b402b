"""The model that ``wavecore.load`` returns for an NSynth autoencoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np

from wavecore.audio import checks, note_level
from wavecore.audio.resample import resample
from wavecore.audio.sound import Sound
from wavecore.errors import UsageError
from wavecore.models.base import Model, draw_seed
from wavecore.models.nsynth import sample
from wavecore.models.nsynth.data import LEVEL_DB
from wavecore.models.nsynth.grid import Cell, cells, generate_cells

Weights = Sequence[float] | Mapping[float, Sequence[float]]
"""One weight for every sound, or such weights at several times in seconds, interpolated between."""


class Generation(TypedDict, total=False):
    """How sounds are generated.

    Attributes
    ----------
    temperature : float, optional
        Divides the logits; 0 takes the most likely codes.  If not given, what the model's card recommends.
    seed : int, optional
        Seed of the random draws; drawn if not given, and reported in ``sound.info["seed"]``.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    backend : str
        "auto", "reference", "numba", "native" or "triton".
    on_progress : callable, optional
        Called with (done, in all), in samples, or in cells of a grid.
    """

    temperature: float | None
    seed: int | None
    device: str
    backend: str
    on_progress: Callable[[int, int], None] | None


@dataclass(frozen=True, repr=False)
class NSynthModel(Model):
    """An autoencoder of notes: sounds are encoded, their latents mixed and decoded."""

    verbs = ("encode", "decode", "interpolate", "mix", "grid")

    @property
    def rate(self) -> int:
        """The model's sample rate, Hz."""
        return self.network.config.decoder.sample_rate

    def describe(self) -> str:
        """Return the size and the rate of the latent."""
        config = self.network.config
        pitch = ", the last of them the pitch" if config.harmonics else ""
        return f"{config.latent_size} channels{pitch}, {self.rate / config.encoder.hop_length:g} frames/s"

    def encode(self, x: np.ndarray, rate: int) -> np.ndarray:
        """Encode a sound.

        Parameters
        ----------
        x : ndarray, shape (T,), float in [-1, 1]
            Two minutes at most; brought to the level of the sounds that the model was trained on.
        rate : int
            Hz; resampled to the model's.

        Returns
        -------
        ndarray, shape (F, C), float32

        Raises
        ------
        UsageError, InputError
            If the sound is too long, no finite signal of one channel, or silent where the model needs its pitch.

        Examples
        --------
        >>> import wavecore
        >>> t = np.arange(3200) / 16_000
        >>> wavecore.load("notes").encode(np.sin(2 * np.pi * 220 * t) / 2, 16_000).shape
        (7, 17)
        """
        signal = self._signal(x, rate)
        level_db = note_level.loud_db(signal)
        if level_db > -100:
            signal = note_level.level(signal, self.level_db(level_db))
        return sample.encode(self.network, [signal])[0]

    def decode(
        self,
        latent: np.ndarray,
        *,
        pitch: int | None = None,
        level_db: float | None = None,
        **generation: Unpack[Generation],
    ) -> Sound:
        """Decode a latent.

        Parameters
        ----------
        latent : ndarray, shape (F, C), float
        pitch : int, optional
            MIDI note number, for a model with a pitch embedding.
        level_db : float, optional
            Level of the sound, dB of full scale (see ``note_level.loud_db``); of the training sounds if not given.
        **generation
            See ``Generation``.

        Returns
        -------
        Sound
            F * hop_length samples, without DC offset, its ends faded over 5 ms.

        Raises
        ------
        UsageError, InputError
            If the latent has another shape or is not finite, or the pitch does not fit the model.

        Examples
        --------
        >>> import wavecore
        >>> model = wavecore.load("notes")
        >>> latent = model.encode(np.sin(2 * np.pi * 220 * np.arange(1024) / 16_000) / 2, 16_000)
        >>> y, rate = model.decode(latent, seed=1)
        >>> y.shape, rate
        ((1024,), 16000)
        """
        pitches = None if pitch is None else [pitch]
        return self.decode_batch([latent], pitches=pitches, levels_db=[level_db], **generation)[0]

    def decode_batch(
        self,
        latents: Sequence[np.ndarray],
        *,
        pitches: Sequence[int] | None = None,
        levels_db: Sequence[float | None] | None = None,
        n_samples: Sequence[int] | None = None,
        **generation: Unpack[Generation],
    ) -> list[Sound]:
        """Decode latents of any lengths as one batch, which is faster than one after the other.

        Parameters
        ----------
        latents, pitches, levels_db, **generation
            As of ``decode``; one each for every latent.
        n_samples : sequence of int, optional
            Lengths to which the sounds are cut; all of their frames if not given.
        """
        if any(np.ndim(latent) != 2 for latent in latents):
            raise UsageError(f"latents have shapes {[np.shape(latent) for latent in latents]}; (F, C) is needed")
        longest, hop = max(map(len, latents)), self.network.config.encoder.hop_length
        # The shorter ones are continued with their last frame, and the sound of that is cut off.
        batch = np.stack([np.pad(latent, [(0, longest - len(latent)), (0, 0)], mode="edge") for latent in latents])
        generated, seed = self._generate(batch, pitches=pitches, **generation)
        lengths = n_samples or [len(latent) * hop for latent in latents]
        levels_db = levels_db or [None] * len(latents)
        default_db = self.level_db(LEVEL_DB)
        return [
            self._sound(x[:length], default_db if level_db is None else level_db, seed)
            for x, length, level_db in zip(generated, lengths, levels_db, strict=True)
        ]

    def interpolate(
        self,
        a: np.ndarray,
        b: np.ndarray,
        *,
        rate: int,
        weight: float | Sequence[float] = 0.5,
        method: str = "linear",
        stretch: float = 1.0,
        **generation: Unpack[Generation],
    ) -> Sound:
        """Interpolate between two sounds.

        Parameters
        ----------
        a, b : ndarray, shape (T,), float in [-1, 1]
        rate : int
            Hz; resampled to the model's.
        weight : float or sequence of float
            Weight of ``b``, 0 to 1; several are spread evenly over the duration and interpolated between.
        method, stretch, **generation
            As of ``mix``.

        Returns
        -------
        Sound
            At the mean level of both.

        Examples
        --------
        >>> import wavecore
        >>> t = np.arange(512) / 16_000
        >>> a, b = (np.sin(2 * np.pi * f0_hz * t) / 2 for f0_hz in (220, 330))
        >>> y, rate = wavecore.load("notes").interpolate(a, b, rate=16_000, weight=0.5, seed=1)
        >>> y.shape, rate
        ((512,), 16000)
        """
        weights: dict[float, tuple[float, float]] | tuple[float, float]
        if isinstance(weight, Sequence | np.ndarray):
            times = np.linspace(0, max(len(a), len(b)) / rate * stretch, len(weight))
            weights = {float(time): (1 - w, w) for time, w in zip(times, weight, strict=True)}
        else:
            weights = (1 - weight, weight)
        return self.mix([a, b], [weights], rate=rate, method=method, stretch=stretch, **generation)[0]

    def mix(
        self,
        sounds: Sequence[np.ndarray],
        weights: Sequence[Weights],
        *,
        rate: int,
        method: str = "linear",
        stretch: float = 1.0,
        **generation: Unpack[Generation],
    ) -> list[Sound]:
        """Mix the latents of sounds, several mixes as one batch.

        Parameters
        ----------
        sounds : sequence of ndarray, shape (T_i,), float in [-1, 1]
            Shorter ones end in silence.
        weights : sequence of Weights
            One entry for every mix: a weight for every sound, or a mapping from seconds to such weights.
        rate : int
            Hz; resampled to the model's.
        method : {"linear", "slerp"}
            Straight lines between latents, or great circles.
        stretch : float
            Factor of the duration, at the same pitch.
        **generation
            See ``Generation``.

        Returns
        -------
        list of Sound
            All at the mean level of the sounds.

        Raises
        ------
        UsageError, InputError
            If weights do not fit the sounds, or a sound is silent or cannot be encoded.

        Examples
        --------
        >>> import wavecore
        >>> low, high = (np.sin(2 * np.pi * f0_hz * np.arange(1024) / 16_000) / 2 for f0_hz in (220, 330))
        >>> sounds = wavecore.load("notes").mix([low, high], [(1, 0), (0.5, 0.5)], rate=16_000, seed=1)
        >>> [len(sound.samples) for sound in sounds]
        [1024, 1024]
        """
        signals, level_db = self._levelled(sounds, rate)
        latents = sample.encode(self.network, signals)
        n_frames = self._stretched(signals, stretch)
        latents = np.stack([sample.stretch(latent, n_frames) for latent in latents])
        rows = [self._weights(row, n_frames) for row in weights]
        mixed = np.stack([sample.mix(self.network, latents, row, method=method) for row in rows])
        generated, seed = self._generate(mixed, **generation)
        return [self._sound(x, level_db, seed) for x in generated]

    def mix_signals(
        self, sounds: Sequence[np.ndarray], weights: Sequence[Weights], *, rate: int, stretch: float = 1.0
    ) -> list[Sound]:
        """Add the signals themselves, with the weights and levels of ``mix``, for comparison."""
        signals, level_db = self._levelled(sounds, rate)
        n_frames = self._stretched(signals, stretch)
        mixed = [sample.mix_signals(signals, self._weights(row, n_frames)) for row in weights]
        return [Sound(note_level.level(x, level_db), self.rate, {}) for x in mixed]

    def grid(
        self,
        corners: Sequence[np.ndarray],
        *,
        rate: int,
        size: int = 9,
        chosen: Sequence[Cell] | None = None,
        method: str = "linear",
        **generation: Unpack[Generation],
    ) -> Iterator[tuple[Cell, Sound]]:
        """Generate the square of sounds between four.

        Parameters
        ----------
        corners : sequence of four ndarrays, shape (T_i,), float in [-1, 1]
            Top left, top right, bottom left, bottom right.
        rate : int
            Hz; resampled to the model's.
        size : int
            Cells along a side, 2 to 33.
        chosen : sequence of Cell, optional
            Those of ``grid.cells(size)`` to generate, all by default; each is independent of the others.
        method, **generation
            As of ``mix``.

        Yields
        ------
        cell : Cell
            Row, column, and the weights of the corners.
        sound : Sound
            At the mean level of the corners.

        Examples
        --------
        >>> import wavecore
        >>> t = np.arange(1024) / 16_000
        >>> corners = [np.sin(2 * np.pi * f0_hz * t) / 2 for f0_hz in (220, 262, 330, 440)]
        >>> cells = dict(wavecore.load("notes").grid(corners, rate=16_000, size=2, seed=1))
        >>> len(cells), {len(sound.samples) for sound in cells.values()}
        (4, {1024})
        """
        surface = cells(size)
        if len(corners) != 4:
            raise UsageError(f"a surface has four corners, not {len(corners)}")
        signals, level_db = self._levelled(corners, rate)
        options, seed = self._options(**generation)
        generated = generate_cells(
            self.network,
            signals,
            surface if chosen is None else chosen,
            size=size,
            seed=seed,
            method=method,
            level_db=level_db,
            **options,
        )
        return ((cell, Sound(x, self.rate, self._info(seed))) for cell, x in generated)

    def _signal(self, x: np.ndarray, rate: int) -> np.ndarray:
        return resample(checks.as_signal(x), from_rate=rate, to_rate=self.rate)

    def _levelled(self, sounds: Sequence[np.ndarray], rate: int) -> tuple[list[np.ndarray], float]:
        """Return sounds at the model's rate and level, and the mean of their own levels."""
        signals = [self._signal(sound, rate) for sound in sounds]
        level_db = float(np.mean([note_level.loud_db(signal) for signal in signals]))
        return [note_level.level(signal, self.level_db(level_db)) for signal in signals], level_db

    def _stretched(self, signals: Sequence[np.ndarray], stretch: float) -> int:
        n_frames = -(-max(map(len, signals)) // self.network.config.encoder.hop_length)
        return max(1, round(n_frames * stretch))

    def _weights(self, weights: Weights, n_frames: int) -> np.ndarray:
        """Return weights as (n,), or (n_frames, n) where they change over time."""
        if isinstance(weights, Mapping):
            return sample.weights_over_time(weights, n_frames, self.network.config.encoder.hop_length / self.rate)
        return np.array(weights)

    def _options(
        self,
        *,
        temperature: float | None = None,
        seed: int | None = None,
        device: str = "auto",
        backend: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> tuple[dict, int]:
        """Return the options of ``sample.decode`` and the seed."""
        from wavecore.nn.generate import resolve_device

        options = {
            "temperature": self.temperature if temperature is None else temperature,
            "device": resolve_device(device)[0],
            "backend": backend,
            "threads": os.cpu_count() or 1,
            "on_progress": on_progress,
        }
        return options, draw_seed(seed)

    def _generate(
        self, latents: np.ndarray, *, pitches: Sequence[int] | None = None, **generation: Unpack[Generation]
    ) -> tuple[np.ndarray, int]:
        options, seed = self._options(**generation)
        generated = sample.decode(self.network, latents, seed=seed, pitches=pitches, **options)
        return sample.without_offset(generated, self.rate), seed

    def _sound(self, x: np.ndarray, level_db: float, seed: int) -> Sound:
        return Sound(sample.fade(note_level.level(x, level_db), self.rate), self.rate, self._info(seed))

    def _info(self, seed: int) -> dict:
        return {"model": self.name, "model_sha256": self.sha256, "seed": seed}
