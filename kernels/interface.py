"""The contract of a backend: B streams of samples that advance in step, with their state carried from call to call.

A backend is a class whose instances follow `Generator`.  Backends differ in speed and in the last bits of a float,
and in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wavecore.kernels.packing import PackedWaveNet

LATENCY_BATCH = 4
"""Largest number of streams for which a GPU has a kernel optimised for latency; it computes in float32."""


@dataclass(frozen=True)
class Trace:
    """The activations of a teacher-forced run, for comparing backends layer by layer.

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
    """A snapshot of a generator.

    Attributes
    ----------
    backend : str
        The class of the generator; no other class can read its memory.
    packed : PackedWaveNet
        The weights it belongs to.
    position : int
        Samples generated so far.
    latent : ndarray, shape (B, F, C), float32
        Frames that were fed and are not used up; the first is that of `position`.
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

    The samples of a stream depend on the weights, the seed, the number of the stream, the temperature and the latent
    frames, and on nothing else: neither on the other streams of the batch nor on the sizes of the calls.  One
    generator serves one thread at a time.

    A call that is interrupted, or that raises ModelError, leaves the streams at no common point in time; `generate`,
    `force` and `state` then raise UsageError until `restore` is called.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from wavecore.kernels.packing import pack
    >>> from wavecore.kernels.reference import ReferenceGenerator
    >>> from wavecore.nn.config import WaveNetConfig
    >>> from wavecore.nn.wavenet import WaveNet
    >>> config = WaveNetConfig(1, 3, 2, 8, 8, 8, 12, latent_channels=4, hop_length=10)
    >>> packed = pack(WaveNet(config).state_dict(), config)
    >>> generator = ReferenceGenerator(packed, batch=2, seed=0)
    >>> generator.feed(np.zeros((2, 3, 4), np.float32))
    >>> generator.available
    30
    >>> codes = generator.generate(20)
    >>> codes.shape, codes.dtype, generator.position
    ((2, 20), dtype('uint8'), 20)
    >>> state = generator.state()
    >>> rest, logits = generator.generate(10, logits=True)
    >>> logits.shape
    (2, 10, 256)
    >>> generator.restore(state)
    >>> bool((generator.force(rest) == logits).all())
    True
    """

    @property
    def position(self) -> int:
        """Samples generated or forced so far, in each stream."""

    @property
    def available(self) -> int:
        """Samples that the latent frames fed so far still allow."""

    def feed(self, latent: np.ndarray) -> None:
        """Append latent frames.

        Parameters
        ----------
        latent : ndarray, shape (B, F, C), float
            Finite in float32; copied.  Each frame conditions ``hop_length`` samples.

        Raises
        ------
        UsageError
            If the shape or the dtype does not fit.
        InputError
            If a number is NaN or infinite.
        """

    def generate(self, n_samples: int, *, logits: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Draw the next samples.

        Parameters
        ----------
        n_samples : int
            In [0, available].
        logits : bool
            Whether to return the logits too; it changes no code.

        Returns
        -------
        codes : ndarray, shape (B, n_samples), uint8
            Below ``n_classes``.
        logits : ndarray, shape (B, n_samples, A), float32
            Those the codes were drawn from, not divided by the temperature; only if `logits` is true.

        Raises
        ------
        UsageError
            If the latent frames do not allow so many samples.
        ModelError
            If a logit is not finite.
        """

    def force(self, codes: np.ndarray) -> np.ndarray:
        """Take the next samples as given (teacher forcing).

        Parameters
        ----------
        codes : ndarray, shape (B, n), uint8
            Below ``n_classes``; n in [0, available].

        Returns
        -------
        ndarray, shape (B, n, A), float32
            ``logits[:, i]`` are those of the distribution of ``codes[:, i]``: they depend on the codes before it.

        Raises
        ------
        UsageError
            If the codes do not fit, or the latent frames do not allow so many samples.
        ModelError
            If a logit is not finite.
        """

    def state(self) -> GeneratorState:
        """Return a copy of the present state, which later calls do not change."""

    def restore(self, state: GeneratorState) -> None:
        """Return to a state of this generator, or of one with the same packed weights and batch.

        Seed, stream numbers and temperature stay those of this generator, so one beginning can be continued in
        several ways.

        Raises
        ------
        UsageError
            If the state comes from another backend, other weights or another batch.
        """
