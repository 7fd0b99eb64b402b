"""What lies between sounds: mixes of their latents, said by the NSynth decoder.

A mix of signals sounds like two instruments at once.  A mix of latents is one description,
and what the decoder makes of it is one sound.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from wavecore.audio import checks, mulaw
from wavecore.audio.note_level import level, loud_db
from wavecore.errors import InputError, UsageError
from wavecore.generate import generate_blocks, open_generator
from wavecore.models.checkpoint import LoadedModel

METHODS = ("linear", "slerp")
MAX_SECONDS = 120.0
"""Of a sound that is encoded at once."""
_FADE_S = 0.005


def encode(model: LoadedModel, sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Encode sounds; those that are shorter than the longest end in silence.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``.
    sounds : sequence of ndarray, shape (T_i,), float in [-1, 1]
        At the model's rate.

    Returns
    -------
    ndarray, shape (n, F, C), float32
        F = ceil(max T_i / hop_length).

    Raises
    ------
    UsageError
        If there are no sounds, or one is longer than two minutes.
    InputError
        If one is no finite signal of one channel.
    """
    if not sounds:
        raise UsageError("there are no sounds to encode")
    rate = model.network.config.encoder.sample_rate
    signals = [checks.as_signal(sound, what=f"sound {i + 1}") for i, sound in enumerate(sounds)]
    longest = max(len(signal) for signal in signals)
    if longest > MAX_SECONDS * rate:
        raise UsageError(f"a sound of {longest / rate:.0f} s is too long to encode at once; {MAX_SECONDS:.0f} s at most")
    padded = np.zeros((len(signals), longest), np.float32)
    for row, signal in zip(padded, signals, strict=True):
        row[: len(signal)] = signal
    with torch.inference_mode():
        return model.network.encoder.encode(torch.from_numpy(padded)).numpy()


def model_level(model: LoadedModel, default_db: float) -> float:
    """Say how loud the sounds were that a model learned from.

    Parameters
    ----------
    model : LoadedModel
    default_db : float
        For a model that does not know.

    Returns
    -------
    float
        dB of full scale.
    """
    return float(model.card.get("training", {}).get("data", {}).get("level_db", default_db))


def decode(
    model: LoadedModel,
    latents: np.ndarray,
    *,
    seed: int,
    streams: Sequence[int] | None = None,
    pitches: Sequence[int] | None = None,
    temperature: float = 1.0,
    backend: str = "auto",
    device: str = "cpu",
    threads: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Say latents, all of them as one batch.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``.
    latents : ndarray, shape (n, F, C), float
        Any number of frames.
    seed : int
        Of the draws.
    streams : sequence of n ints, optional
        Which draws each row takes, whatever stands beside it; 0 to n - 1 if not given.
    pitches : sequence of n ints, optional
        MIDI note numbers, for a model that is told the pitch.
    temperature, backend, device, threads
        See ``generate.open_generator``.
    on_progress : callable, optional
        Called with (samples done, samples in all).

    Returns
    -------
    ndarray, shape (n, F * hop_length), float32 in [-1, 1]

    Raises
    ------
    UsageError
        If the latents have another shape, or the pitches do not fit the model.
    InputError
        If a latent is not finite.
    """
    network = model.network
    channels = network.config.encoder.latent_channels
    latents = np.asarray(latents, np.float32)
    if latents.ndim != 3 or latents.shape[2] != channels or 0 in latents.shape:
        raise UsageError(f"latents have shape {latents.shape}; (n, F, {channels}) is needed")
    if pitches is not None and len(pitches) != len(latents):
        raise UsageError(f"there are {len(pitches)} pitches for {len(latents)} latents")
    with torch.inference_mode():
        told = None if pitches is None else torch.as_tensor(list(pitches))
        condition = network.condition(torch.from_numpy(latents), told).numpy()
    generator = open_generator(
        network.decoder_state(), network.config.decoder, batch=len(latents), seed=seed, streams=streams, temperature=temperature,
        backend=backend, device=device, threads=threads,
    )  # fmt: skip
    codes = np.concatenate(list(generate_blocks(generator, condition, on_progress=on_progress)), axis=1)
    return mulaw.decode(codes)


def mix(latents: np.ndarray, weights: np.ndarray | Sequence[float], *, method: str = "linear") -> np.ndarray:
    """Mix latents.

    Parameters
    ----------
    latents : ndarray, shape (n, F, C), float
    weights : array_like, shape (n,) or (F, n), float
        Non-negative, not all zero; scaled to a sum of 1.  With frames, the mix changes on the way.
    method : {"linear", "slerp"}
        Along straight lines, or along great circles: directions turn and lengths change evenly.
        Of more than two sounds, the third is mixed with the mix of the first two, and so on.

    Returns
    -------
    ndarray, shape (F, C), float32

    Raises
    ------
    UsageError
        If shapes do not fit, a weight is negative or not finite, all of a frame's are zero, or
        there is no such method.
    """
    latents = np.asarray(latents, np.float64)
    if latents.ndim != 3:
        raise UsageError(f"latents have shape {latents.shape}; (n, F, C) is needed")
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; choose one of {', '.join(METHODS)}")
    weights = _checked_weights(weights, len(latents), latents.shape[1])
    if method == "linear":
        return np.einsum("fn,nfc->fc", weights, latents).astype(np.float32)
    found, total = latents[0], weights[:, 0]
    for latent, weight in zip(latents[1:], weights.T[1:], strict=True):
        total = total + weight
        share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
        found = _slerp(found, latent, share[:, None])
    return found.astype(np.float32)


def _checked_weights(weights: np.ndarray | Sequence[float], n: int, n_frames: int) -> np.ndarray:
    """Weights (F, n) that sum to 1."""
    weights = np.asarray(weights, np.float64)
    if weights.shape == (n,):
        weights = np.broadcast_to(weights, (n_frames, n))
    if weights.shape != (n_frames, n):
        raise UsageError(f"weights have shape {weights.shape}; ({n},) or ({n_frames}, {n}) is needed")
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise UsageError(f"weights must be finite and not negative, not {weights[0].tolist()}")
    sums = weights.sum(axis=1, keepdims=True)
    if sums.min() <= 0:
        raise UsageError("all weights of a frame are zero; one sound at least must be heard")
    return weights / sums


def _slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """From a (F, C) to b along the great circle, lengths linearly; share (F, 1) of b."""
    length_a, length_b = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b))
    tiny = 1e-12
    unit_a, unit_b = a / np.maximum(length_a, tiny), b / np.maximum(length_b, tiny)
    angle = np.arccos(np.clip((unit_a * unit_b).sum(-1, keepdims=True), -1, 1))
    # Where there is no plane to turn in (nearly parallel, opposite, or no direction at all) the line serves.
    straight = (np.sin(angle) < 1e-6) | (length_a < tiny) | (length_b < tiny)
    sine = np.where(straight, 1, np.sin(angle))
    turned = (np.sin((1 - share) * angle) * unit_a + np.sin(share * angle) * unit_b) / sine
    return np.where(straight, (1 - share) * a + share * b, turned * ((1 - share) * length_a + share * length_b))


def stretch(latent: np.ndarray, n_frames: int) -> np.ndarray:
    """Give a latent another number of frames: the sound takes longer, or less long, at the same pitch.

    Parameters
    ----------
    latent : ndarray, shape (F, C), float
    n_frames : int
        At least 1.

    Returns
    -------
    ndarray, shape (n_frames, C), float32
        Linear between the frames.

    Raises
    ------
    UsageError
        If the latent has another shape, or there is to be no frame.
    """
    latent = np.asarray(latent, np.float64)
    if latent.ndim != 2 or not len(latent):
        raise UsageError(f"a latent has shape {latent.shape}; (F, C) is needed")
    if n_frames < 1:
        raise UsageError(f"a latent cannot be stretched to {n_frames} frames; at least 1 is needed")
    at = np.linspace(0, len(latent) - 1, n_frames)
    return np.stack([np.interp(at, np.arange(len(latent)), track) for track in latent.T], axis=-1).astype(np.float32)


def steps(n: int) -> np.ndarray:
    """Weights of the way from one sound to another.

    Parameters
    ----------
    n : int
        Stations, the two ends included; at least 2.

    Returns
    -------
    ndarray, shape (n, 2), float

    Raises
    ------
    UsageError
        If there are fewer than two.
    """
    if n < 2:
        raise UsageError(f"a way of {n} steps has no two ends; at least 2 are needed")
    b = np.linspace(0, 1, n)
    return np.stack([1 - b, b], axis=1)


def weights_over_time(points: Sequence[tuple[float, Sequence[float]]], n_frames: int, frame_s: float) -> np.ndarray:
    """Draw weights that change on the way, linearly from point to point.

    Parameters
    ----------
    points : sequence of (float, sequence of n floats)
        Times in seconds, ascending, and the weights there, which hold before the first and after the last.
    n_frames : int
    frame_s : float
        Seconds per frame.

    Returns
    -------
    ndarray, shape (n_frames, n), float

    Raises
    ------
    UsageError
        If there are no points, their times do not ascend, or their weights differ in number.
    """
    times = [float(time) for time, _ in points]
    if not times or not np.isfinite(times).all() or any(b <= a for a, b in zip(times, times[1:], strict=False)):
        raise UsageError(f"the times of weights must ascend, and be one at least, not {times}")
    counts = sorted({len(weights) for _, weights in points})
    if len(counts) > 1:
        raise UsageError(f"there are {counts[0]} weights at one time and {counts[-1]} at another")
    at = (np.arange(n_frames) + 0.5) * frame_s
    tracks = np.array([weights for _, weights in points], np.float64).T
    return np.stack([np.interp(at, times, track) for track in tracks], axis=1)


def plain_mix(sounds: Sequence[np.ndarray], weights: np.ndarray | Sequence[float]) -> np.ndarray:
    """Add signals, for comparison: two instruments at once.

    Parameters
    ----------
    sounds : sequence of ndarray, shape (T_i,), float
    weights : array_like, shape (n,) or (F, n), float
        Scaled to a sum of 1.  With frames, which share the length evenly, the mix changes on the way.

    Returns
    -------
    ndarray, shape (max T_i,), float32

    Raises
    ------
    UsageError
        If the weights do not fit.
    """
    shares = _checked_weights(weights, len(sounds), np.shape(weights)[0] if np.ndim(weights) == 2 else 1)
    found = np.zeros(max(len(sound) for sound in sounds), np.float64)
    centres = (np.arange(len(shares)) + 0.5) * len(found) / len(shares)
    for sound, share in zip(sounds, shares.T, strict=True):
        found[: len(sound)] += np.interp(np.arange(len(sound)), centres, share) * np.asarray(sound, np.float64)
    return found.astype(np.float32)


def fade(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Fade both ends over 5 ms, so that nothing clicks.

    Parameters
    ----------
    sound : ndarray, shape (T,), float
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T,), float32
    """
    found = np.array(sound, np.float32)
    n = min(len(found) // 2, round(_FADE_S * sample_rate))
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(n, dtype=np.float32) / max(1, n))
    found[:n] *= ramp
    if n:
        found[-n:] *= ramp[::-1]
    return found
