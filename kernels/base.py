"""What all backends share: checks of arguments, latent frames, blocks, state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict

import numpy as np

from wavecore.errors import InputError, ModelError, UsageError
from wavecore.kernels.interface import GeneratorState, Trace
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.sampling import check_temperature

BLOCK = 256


class StreamOptions(TypedDict, total=False):
    """The keyword arguments that every backend passes on to `BaseGenerator`."""

    batch: Required[int]
    seed: Required[int]
    streams: Sequence[int] | None
    temperature: float


@dataclass(frozen=True)
class Run:
    """The C-contiguous arrays of one call; an output that is not asked for has a second axis of length 0."""

    codes: np.ndarray  # (B, n), uint8: read if `forced`, else written
    forced: bool
    logits: np.ndarray  # (B, n or 0, A), float32
    residual: np.ndarray  # (B, n or 0, L, R), float32
    skip: np.ndarray  # (B, n or 0, L + 1, S), float32


class BaseGenerator(ABC):
    """A `Generator` that lacks only the arithmetic: a backend implements `_advance`, `_save` and `_load`.

    Parameters
    ----------
    batch : int
        Number of streams B, at least 1.
    seed : int
        Key of all draws, in [0, 2**64).
    streams : sequence of B ints, optional
        The number of each stream, in [0, 2**64); 0 to B - 1 if not given.
    temperature : float
        Divides the logits; 0 takes the most likely code.

    Raises
    ------
    UsageError
        If an argument is out of its range.
    """

    # Samples per call of a backend's inner loop: few enough that Ctrl-C takes effect soon, and enough that the
    # overhead of a call does not count.
    block_samples = BLOCK

    def __init__(
        self,
        packed: PackedWaveNet,
        *,
        batch: int,
        seed: int,
        streams: Sequence[int] | None = None,
        temperature: float = 1.0,
    ):
        self._packed = packed
        self._batch = check_whole(batch, "batch", 1, 2**31)
        self._seed = check_whole(seed, "seed", 0, 2**64)
        numbers = [check_whole(n, "stream number", 0, 2**64) for n in (range(batch) if streams is None else streams)]
        if len(numbers) != batch:
            raise UsageError(f"{len(numbers)} stream numbers for a batch of {batch} streams; give one each")
        self._streams = np.array(numbers, dtype=np.uint64)
        self._temperature = check_temperature(temperature)
        self._position = 0
        # The unused frames (B, F, C) of the latent; the first is that of `position`.
        self._frames = np.zeros((batch, 0, packed.latent_channels), np.float32)
        self._broken = False

    @property
    def position(self) -> int:
        """Samples generated or forced so far, in each stream."""
        return self._position

    @property
    def available(self) -> int:
        """Samples that the latent frames fed so far still allow."""
        hop = self._packed.hop_length
        return self._frames.shape[1] * hop - self._position % hop

    def feed(self, latent: np.ndarray) -> None:
        """Append latent frames; see `Generator.feed`."""
        latent = np.asarray(latent)
        batch, channels = self._batch, self._packed.latent_channels
        if latent.ndim != 3 or (latent.shape[0], latent.shape[2]) != (batch, channels):
            raise UsageError(f"latent has shape {latent.shape}; ({batch}, F, {channels}) is needed")
        if latent.dtype.kind != "f":
            raise UsageError(f"latent has dtype {latent.dtype}; a float dtype is needed")
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
            latent = latent.astype(np.float32)
        finite = np.isfinite(latent).all(axis=(0, 2))
        if not finite.all():
            bad = int((~finite).sum())
            raise InputError(
                f"{bad} of {len(finite)} latent frames are not finite, the first is frame "
                f"{int(finite.argmin())}; check the sound or the model they come from"
            )
        self._frames = np.concatenate([self._frames, latent], axis=1)

    def generate(self, n_samples: int, *, logits: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Draw the next samples; see `Generator.generate`."""
        check_whole(n_samples, "n_samples", 0, 2**62)
        self._check_available(n_samples)
        run = self._new_run(np.zeros((self._batch, n_samples), np.uint8), forced=False, logits=logits, trace=False)
        self._run(run)
        return (run.codes, run.logits) if logits else run.codes

    def force(self, codes: np.ndarray, *, trace: bool = False) -> np.ndarray | Trace:
        """Take the next samples as given; see `Generator.force`.  With `trace` return all activations."""
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.shape[0] != self._batch or codes.dtype != np.uint8:
            raise UsageError(
                f"codes are {codes.dtype} of shape {codes.shape}; uint8 of shape ({self._batch}, n) is needed"
            )
        n_classes = self._packed.n_classes
        if codes.size and codes.max() >= n_classes:
            raise UsageError(
                f"the largest code is {codes.max()}; this model has {n_classes} classes, 0 to {n_classes - 1}"
            )
        self._check_available(codes.shape[1])
        run = self._new_run(np.array(codes, order="C"), forced=True, logits=True, trace=trace)
        self._run(run)
        return Trace(run.logits, run.residual, run.skip) if trace else run.logits

    def state(self) -> GeneratorState:
        """Return a copy of the present state; see `Generator.state`."""
        self._check_consistent()
        return GeneratorState(type(self).__name__, self._packed, self._position, self._frames.copy(), self._save())

    def restore(self, state: GeneratorState) -> None:
        """Return to a state; see `Generator.restore`."""
        mine = type(self).__name__
        if state.backend != mine or state.packed is not self._packed or len(state.latent) != self._batch:
            raise UsageError(
                f"a state of {state.backend} with batch {len(state.latent)} cannot be restored into {mine} "
                f"with batch {self._batch}; backend, batch and the packed weights must be the same"
            )
        self._load(state.memory)
        self._position, self._frames = state.position, state.latent
        self._broken = False

    @abstractmethod
    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        """Run over the samples [first, first + n_samples) of `run`, the first of them being that of `position`.

        latent (B, F, C) covers them and begins with the frame of `position`; if that frame began in an earlier call,
        its projection is already in the streams' memory.  Returns the number of samples before the first one with a
        logit that is not finite, or -1 if there is none.
        """

    @abstractmethod
    def _save(self) -> Any:
        """Return a copy of the streams' memory."""

    @abstractmethod
    def _load(self, memory: Any) -> None:
        """Overwrite the streams' memory; `memory` stays as it is."""

    def _check_consistent(self) -> None:
        """Refuse to continue streams that an error left at different points in time."""
        if self._broken:
            raise UsageError(
                "an earlier call was interrupted or failed halfway, so the streams are not at one point in "
                "time; restore a state or start a new generator"
            )

    def _check_available(self, n_samples: int) -> None:
        self._check_consistent()
        if n_samples > self.available:
            raise UsageError(
                f"{n_samples} samples were asked for and {self.available} are available; feed more latent "
                f"frames ({self._packed.hop_length} samples each)"
            )

    def _new_run(self, codes: np.ndarray, *, forced: bool, logits: bool, trace: bool) -> Run:
        """Allocate what a run returns."""
        p, (batch, n_samples) = self._packed, codes.shape
        n_logits, n_trace = n_samples if logits else 0, n_samples if trace else 0
        return Run(
            codes=codes,
            forced=forced,
            logits=np.zeros((batch, n_logits, p.n_classes), np.float32),
            residual=np.zeros((batch, n_trace, p.n_layers, p.residual_channels), np.float32),
            skip=np.zeros((batch, n_trace, p.n_layers + 1, p.skip_channels), np.float32),
        )

    def _run(self, run: Run) -> None:
        """Advance in blocks, freeing latent frames on the way."""
        hop, n_samples = self._packed.hop_length, run.codes.shape[1]
        for first in range(0, n_samples, self.block_samples):
            n = min(self.block_samples, n_samples - first)
            into_frame = self._position % hop
            self._broken = True  # until the block is complete, so that an interrupt leaves it set
            bad = self._advance(run, self._frames[:, : -(-(into_frame + n) // hop)].copy(), first, n)
            if bad >= 0:
                raise ModelError(
                    f"the model's logits at sample {self._position + bad} are not finite; its weights or the "
                    "latent are far too large"
                )
            self._frames = self._frames[:, (into_frame + n) // hop :]
            self._position += n
            self._broken = False


def check_whole(value: Any, name: str, low: int, high: int) -> int:
    """Return a whole number in [low, high) as an int; anything else raises a UsageError that calls it `name`."""
    plain = int(value) if isinstance(value, np.integer) else value
    if not isinstance(plain, int) or isinstance(plain, bool) or not low <= plain < high:
        raise UsageError(f"{name} is {plain!r}; a whole number in [{low}, {high}) is needed")
    return plain
