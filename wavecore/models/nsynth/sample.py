"""Encoding, mixing and decoding of sounds with an NSynth autoencoder.

A mix of signals sounds like two instruments at once; a mix of latents is decoded to one sound between them.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

from wavecore.audio import checks, fundamental, mulaw
from wavecore.audio.dc import OffsetFilter
from wavecore.audio.pitch import hz_to_midi
from wavecore.errors import UsageError
from wavecore.metrics import harmonics
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.generate import generate_blocks, open_generator

METHODS = ("linear", "slerp")
MAX_SECONDS = 120.0
"""Longest sound that is encoded at once."""
CONDITION_BYTES = 64 * 2**20
"""Most memory of the conditioning that is computed at once for a decoder with an oscillator."""
FADE_S = 0.005


def encode(network: NSynthNetwork, sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Encode sounds at the model's rate, (T_i,) float in [-1, 1], to (n, F, C) float32.

    F is ceil(max T_i / hop_length); shorter ones end in silence.  The last channel of a model with harmonics is the
    pitch, in octaves above MIDI note 60, tracked from frame to frame.  Raises UsageError without sounds or for more
    than two minutes, InputError if a sound is no finite signal of one channel, or silent where the model needs its
    pitch.
    """
    if not sounds:
        raise UsageError("there are no sounds to encode")
    encoder = network.config.encoder
    signals = [checks.as_signal(sound, what=f"sound {i + 1}") for i, sound in enumerate(sounds)]
    longest = max(len(signal) for signal in signals)
    if longest > MAX_SECONDS * encoder.sample_rate:
        raise UsageError(f"a sound of {longest / encoder.sample_rate:.0f} s is longer than {MAX_SECONDS:.0f} s")
    padded = np.stack([np.pad(signal, (0, longest - len(signal))) for signal in signals])
    midi = None
    if network.config.harmonics:
        n_frames = -(-longest // encoder.hop_length)
        tracks = [pitch_track(signal, n_frames, encoder.hop_length, encoder.sample_rate) for signal in signals]
        midi = torch.from_numpy(np.stack(tracks))
    with torch.inference_mode():
        return network.encode(torch.from_numpy(padded), midi).numpy()


def pitch_track(sound: np.ndarray, n_frames: int, hop_length: int, sample_rate: int) -> np.ndarray:
    """Track the pitch of a sound, (T,), in MIDI note numbers, (n_frames,); after its end the last one is held."""
    padded = np.pad(sound, (0, max(0, harmonics.SHORTEST - len(sound))))
    f0_hz = harmonics.harmonic_series(padded, sample_rate).f0_hz
    midi = fundamental.track(sound, hz_to_midi(f0_hz), hop_length=hop_length, sample_rate=sample_rate)
    return np.pad(midi, (0, n_frames - len(midi)), mode="edge")


def mix(
    network: NSynthNetwork, latents: np.ndarray, weights: np.ndarray | Sequence[float], *, method: str = "linear"
) -> np.ndarray:
    """Mix latents, (n, F, C), to (F, C) float32.

    ``weights``, (n,) or (F, n), are non-negative, not all zero, and scaled to a sum of 1; with frames, the mix changes
    over time.  ``method`` is "linear", or "slerp" for great circles: directions turn and lengths change evenly, and a
    third sound is mixed with the mix of the first two, and so on.  A pitch in the latent always changes linearly.
    Raises UsageError if shapes or weights do not fit.
    """
    latents = np.asarray(latents, np.float64)
    if latents.ndim != 3:
        raise UsageError(f"latents have shape {latents.shape}; (n, F, C) is needed")
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; choose one of {', '.join(METHODS)}")
    weights = checked_weights(weights, len(latents), latents.shape[1])
    linear = np.einsum("fn,nfc->fc", weights, latents).astype(np.float32)
    if method == "linear":
        return linear
    n_turned = latents.shape[2] - (network.config.harmonics > 0)
    mixed, total = latents[0, :, :n_turned], weights[:, 0]
    for latent, weight in zip(latents[1:, :, :n_turned], weights.T[1:], strict=True):
        total = total + weight
        share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
        mixed = _slerp(mixed, latent, share[:, None])
    return np.concatenate([mixed.astype(np.float32), linear[:, n_turned:]], axis=1)


def checked_weights(weights: np.ndarray | Sequence[float], n: int, n_frames: int) -> np.ndarray:
    """Return the weights of n sounds, (n,) or (n_frames, n), as (n_frames, n) float64 with sums of 1; see ``mix``."""
    weights = np.asarray(weights, np.float64)
    if weights.shape == (n,):
        weights = np.broadcast_to(weights, (n_frames, n))
    if weights.shape != (n_frames, n):
        raise UsageError(f"weights have shape {weights.shape}; ({n},) or ({n_frames}, {n}) is needed")
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise UsageError(f"weights must be finite and not negative, not {weights[0].tolist()}")
    sums = weights.sum(axis=1, keepdims=True)
    if sums.min() <= 0:
        raise UsageError("all weights of a frame are zero; one must be positive")
    return weights / sums


def _slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate from a, (F, C), to b along great circles, and their lengths linearly; ``share``, (F, 1), is b's."""
    length_a, length_b = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b))
    tiny = 1e-12
    unit_a, unit_b = a / np.maximum(length_a, tiny), b / np.maximum(length_b, tiny)
    angle = np.arccos(np.clip((unit_a * unit_b).sum(-1, keepdims=True), -1, 1))
    # Nearly parallel, opposite and zero vectors span no plane; a straight line serves.
    straight = (np.sin(angle) < 1e-6) | (length_a < tiny) | (length_b < tiny)
    sine = np.where(straight, 1, np.sin(angle))
    turned = (np.sin((1 - share) * angle) * unit_a + np.sin(share * angle) * unit_b) / sine
    return np.where(straight, (1 - share) * a + share * b, turned * ((1 - share) * length_a + share * length_b))


def weights_over_time(points: Mapping[float, Sequence[float]], n_frames: int, frame_s: float) -> np.ndarray:
    """Interpolate weights, (n_frames, n), linearly between points in seconds; before and after them they are held.

    Raises UsageError if there are no points, a time is not finite, or the weights differ in number.
    """
    times = sorted(points)
    if not times or not np.isfinite(times).all():
        raise UsageError(f"weights over time need one time at least, in seconds, not {times}")
    counts = sorted({len(weights) for weights in points.values()})
    if len(counts) > 1:
        raise UsageError(f"there are {counts[0]} weights at one time and {counts[-1]} at another")
    centres = (np.arange(n_frames) + 0.5) * frame_s
    tracks = np.array([points[time] for time in times], np.float64).T
    return np.stack([np.interp(centres, times, track) for track in tracks], axis=1)


def stretch(latent: np.ndarray, n_frames: int) -> np.ndarray:
    """Resample a latent, (F, C), linearly to ``n_frames``, at least 1: another duration at the same pitch."""
    latent = np.asarray(latent, np.float64)
    positions = np.linspace(0, len(latent) - 1, n_frames)
    tracks = [np.interp(positions, np.arange(len(latent)), track) for track in latent.T]
    return np.stack(tracks, axis=-1).astype(np.float32)


def mix_signals(sounds: Sequence[np.ndarray], weights: np.ndarray | Sequence[float]) -> np.ndarray:
    """Add signals, (T_i,), for comparison with a mix of latents.

    ``weights``, (n,) or (F, n), are scaled to a sum of 1; F frames share the length, max T_i, evenly.
    """
    shares = checked_weights(weights, len(sounds), np.shape(weights)[0] if np.ndim(weights) == 2 else 1)
    total = np.zeros(max(len(sound) for sound in sounds), np.float64)
    centres = (np.arange(len(shares)) + 0.5) * len(total) / len(shares)
    for sound, share in zip(sounds, shares.T, strict=True):
        total[: len(sound)] += np.interp(np.arange(len(sound)), centres, share) * np.asarray(sound, np.float64)
    return total.astype(np.float32)


def decode(
    network: NSynthNetwork,
    latents: np.ndarray,
    *,
    seed: int,
    pitches: Sequence[int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    **options,
) -> np.ndarray:
    """Decode latents, (n, F, C), as one batch to (n, F * hop_length) float32 in [-1, 1], with any DC offset.

    ``pitches`` are the n MIDI note numbers for a model with a pitch embedding; ``on_progress`` is called with (samples
    done, in all); ``options`` are those of ``generate.open_generator``.  Raises UsageError if shape or pitches do not
    fit the model, InputError if a latent is not finite.
    """
    config, latents = network.config, np.asarray(latents, np.float32)
    if latents.ndim != 3 or latents.shape[2] != config.latent_size or 0 in latents.shape:
        raise UsageError(f"latents have shape {latents.shape}; (n, F, {config.latent_size}) is needed")
    if pitches is not None and len(pitches) != len(latents):
        raise UsageError(f"there are {len(pitches)} pitches for {len(latents)} latents")
    generator = open_generator(network.decoder_state(), config.decoder, batch=len(latents), seed=seed, **options)
    done, total, codes = 0, latents.shape[1] * config.encoder.hop_length, []

    def report(done_of_block: int, _: int) -> None:
        if on_progress is not None:
            on_progress(done + done_of_block, total)

    for condition in _conditions(network, latents, pitches):
        codes += list(generate_blocks(generator, condition, on_progress=report))
        done += condition.shape[1] * config.decoder.hop_length
    return mulaw.decode(np.concatenate(codes, axis=1))


def _conditions(network: NSynthNetwork, latents: np.ndarray, pitches: Sequence[int] | None) -> Iterator[np.ndarray]:
    """Yield the decoder's conditioning in blocks of limited size: (n, frames, channels) each."""
    config = network.config
    with torch.inference_mode():
        if pitches is not None or config.pitch_channels:
            midi = None if pitches is None else torch.as_tensor(list(pitches))
            yield network.condition(torch.from_numpy(latents), midi).numpy()
            return
        frame_bytes = 4 * len(latents) * config.encoder.hop_length * config.decoder.latent_channels
        for block in network.condition_blocks(torch.from_numpy(latents), max(1, CONDITION_BYTES // frame_bytes)):
            yield block.numpy()


def without_offset(sounds: np.ndarray, sample_rate: int) -> np.ndarray:
    """Remove the DC offset to which a decoder may drift from sounds, (n, T)."""
    return np.clip(OffsetFilter(len(sounds), sample_rate).push(sounds), -1, 1)


def fade(sound: np.ndarray, sample_rate: int) -> np.ndarray:
    """Fade both ends of a sound, (T,), over 5 ms, so that they do not click."""
    faded = np.array(sound, np.float32)
    n = min(len(faded) // 2, round(FADE_S * sample_rate))
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(n, dtype=np.float32) / max(1, n))
    faded[:n] *= ramp
    if n:
        faded[-n:] *= ramp[::-1]
    return faded
