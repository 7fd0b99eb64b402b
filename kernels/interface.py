"""What every backend offers: one stream of samples per batch row, state carried.

A backend is a class whose instances follow `Generator`.  They differ in speed
and in the last bits of a float, in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wavecore.kernels.packing import PackedWaveNet

LATENCY_BATCH = 4
"""Streams up to which there is a kernel for latency on a GPU; it computes in float32."""


@dataclass(frozen=True)
class Trace:
    """Everything a teacher-forced run saw, for comparing backends layer by layer.

    Attributes
    ----------
    logits : ndarray, shape (B, n, A), float32
    residual : ndarray, shape (B, n, L, R), float32
        The input of every layer.
    skip : ndarray, shape (B, n, L + 1, S), float32
        The skip stream before the first layer, then after each.
    """

    logits: np.ndarray
    residual: np.ndarray
    skip: np.ndarray


@dataclass(frozen=True)
class GeneratorState:
    """A point in time of a generator, to go back to.

    Attributes
    ----------
    backend : str
        The class of the generator; another one cannot read its memory.
    packed : PackedWaveNet
        The weights it belongs to.
    position : int
        Samples generated so far.
    latent : ndarray, shape (B, F, C), float32
        Frames fed and not yet used up; the first is that of `position`.
    memory : object
        Owned by the backend.
    """

    backend: str
    packed: PackedWaveNet
    position: int
    latent: np.ndarray
    memory: Any


@runtime_checkable
class Generator(Protocol):
    """Generates B independent streams in step, sample by sample.

    The samples of a stream depend on the weights, the seed, the number of the
    stream, the temperature and the latent frames, and on nothing else: not on
    the batch around it, not on where chunks begin.  One generator serves one
    thread at a time.
    """

    @property
    def position(self) -> int:
        """Samples generated or forced so far, in each stream."""

    @property
    def available(self) -> int:
        """Samples that the latent frames fed so far still allow."""

    def feed(self, latent: np.ndarray) -> None:
        """Append latent frames (B, F, C)."""

    def generate(self, n_samples: int, *, logits: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Draw the next samples: codes (B, n), uint8; with `logits` also what they were drawn from, (B, n, A), float32."""

    def force(self, codes: np.ndarray) -> np.ndarray:
        """Take the next samples (B, n) as given; returns their logits (B, n, A), float32."""

    def state(self) -> GeneratorState:
        """A copy of the present."""

    def restore(self, state: GeneratorState) -> None:
        """Go back to a state of this generator, or of one with the same packed weights and batch."""
