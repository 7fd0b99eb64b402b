"""What lies between sounds: mixes of their latents, said by the NSynth decoder.

A mix of signals sounds like two instruments at once.  A mix of latents is one description,
and what the decoder makes of it is one sound.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279, section 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from wavecore.audio import checks, fundamental, mulaw
from wavecore.audio.dc import OffsetFilter
from wavecore.audio.pitch import hz_to_midi
from wavecore.checkpoint import LoadedModel
from wavecore.errors import UsageError
from wavecore.metrics import harmonics
from wavecore.models.nsynth.latent_mix import checked_weights, mix
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.generate import generate_blocks, open_generator

MAX_SECONDS = 120.0
"""Of a sound that is encoded at once."""
CONDITION_BYTES = 64 * 2**20
"""Of what a decoder with an oscillator is told at once."""
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
        F = ceil(max T_i / hop_length).  The last channel of a model with harmonics is the pitch, in
        octaves above MIDI note 60, followed from frame to frame.

    Raises
    ------
    UsageError
        If there are no sounds, or one is longer than two minutes.
    InputError
        If one is no finite signal of one channel, or is silent where the model needs its pitch.
    """
    if not sounds:
        raise UsageError("there are no sounds to encode")
    rate = model.network.config.encoder.sample_rate
    signals = [checks.as_signal(sound, what=f"sound {i + 1}") for i, sound in enumerate(sounds)]
    longest = max(len(signal) for signal in signals)
    if longest > MAX_SECONDS * rate:
        raise UsageError(
            f"a sound of {longest / rate:.0f} s is too long to encode at once; {MAX_SECONDS:.0f} s at most"
        )
    padded = np.zeros((len(signals), longest), np.float32)
    for row, signal in zip(padded, signals, strict=True):
        row[: len(signal)] = signal
    midi = None
    if model.network.config.harmonics:
        hop = model.network.config.encoder.hop_length
        n_frames = -(-longest // hop)
        midi = torch.from_numpy(np.stack([pitch_track(signal, n_frames, hop, rate) for signal in signals]))
    with torch.inference_mode():
        return model.network.encode(torch.from_numpy(padded), midi).numpy()


def pitch_track(sound: np.ndarray, n_frames: int, hop_length: int, sample_rate: int) -> np.ndarray:
    """Follow a sound's pitch.

    Parameters
    ----------
    sound : ndarray, shape (T,), float
        T at most n_frames * hop_length; after its end its last pitch is held.
    hop_length : int
        Samples per frame.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n_frames,), float32
        MIDI note numbers.

    Raises
    ------
    InputError
        If the sound is silent.
    """
    enough = np.pad(sound, (0, max(0, harmonics.SHORTEST - len(sound))))
    f0_hz = harmonics.harmonic_series(enough, sample_rate).f0_hz
    midi = fundamental.track(sound, hz_to_midi(f0_hz), hop_length=hop_length, sample_rate=sample_rate)
    return np.pad(midi, (0, n_frames - len(midi)), mode="edge")


def model_level(model: LoadedModel, default_db: float) -> float:
    """Say how loud the sounds were that a model learned from.

    Parameters
    ----------
    default_db : float
        For a model that does not know.

    Returns
    -------
    float
        dB of full scale.
    """
    return float(model.card.get("training", {}).get("data", {}).get("level_db", default_db))


def model_temperature(model: LoadedModel) -> float:
    """Say at which temperature a model is best heard.

    Returns
    -------
    float
        What its card says; 1 if it says nothing.
    """
    return float(model.card.get("training", {}).get("temperature", 1.0))


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
        As it was drawn; see ``without_offset``.

    Raises
    ------
    UsageError
        If the latents have another shape, or the pitches do not fit the model.
    InputError
        If a latent is not finite.
    """
    network = model.network
    channels = network.config.latent_size
    latents = np.asarray(latents, np.float32)
    if latents.ndim != 3 or latents.shape[2] != channels or 0 in latents.shape:
        raise UsageError(f"latents have shape {latents.shape}; (n, F, {channels}) is needed")
    if pitches is not None and len(pitches) != len(latents):
        raise UsageError(f"there are {len(pitches)} pitches for {len(latents)} latents")
    config = network.config
    generator = open_generator(
        network.decoder_state(), config.decoder, batch=len(latents), seed=seed, streams=streams, temperature=temperature,
        backend=backend, device=device, threads=threads,
    )  # fmt: skip
    done, total, codes = 0, latents.shape[1] * config.encoder.hop_length, []

    def report(of_block: int, _: int) -> None:
        if on_progress is not None:
            on_progress(done + of_block, total)

    for condition in _conditions(network, latents, pitches):
        codes += list(generate_blocks(generator, condition, on_progress=report))
        done += condition.shape[1] * config.decoder.hop_length
    return mulaw.decode(np.concatenate(codes, axis=1))


def without_offset(said: np.ndarray, sample_rate: int) -> np.ndarray:
    """Take away the offset on which a decoder may drift, before a sound is levelled and written.

    Parameters
    ----------
    said : ndarray, shape (n, T), float
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (n, T), float32 in [-1, 1]
    """
    return np.clip(OffsetFilter(len(said), sample_rate).push(said), -1, 1)


def _conditions(network: NSynthNetwork, latents: np.ndarray, pitches: Sequence[int] | None) -> Iterator[np.ndarray]:
    """What the decoder is told, in blocks that fit into memory: (n, frames, channels) each."""
    config = network.config
    with torch.inference_mode():
        if pitches is not None or config.pitch_channels:
            told = None if pitches is None else torch.as_tensor(list(pitches))
            yield network.condition(torch.from_numpy(latents), told).numpy()
            return
        frame_bytes = 4 * len(latents) * config.encoder.hop_length * config.decoder.latent_channels
        for block in network.condition_blocks(torch.from_numpy(latents), max(1, CONDITION_BYTES // frame_bytes)):
            yield block.numpy()


def mix_for(
    model: LoadedModel, latents: np.ndarray, weights: np.ndarray | Sequence[float], *, method: str = "linear"
) -> np.ndarray:
    """Mix latents of a model, its pitch along straight lines.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``.
    latents : ndarray, shape (n, F, C), float
    weights : array_like, shape (n,) or (F, n), float
    method : {"linear", "slerp"}
        See ``latent_mix.mix``.

    Returns
    -------
    ndarray, shape (F, C), float32
        What lies between two pitches is a pitch: half way between notes an octave apart is the tritone.

    Raises
    ------
    UsageError
        As ``latent_mix.mix`` says.
    """
    return mix(latents, weights, method=method, n_straight=int(model.network.config.harmonics > 0))


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
    shares = checked_weights(weights, len(sounds), np.shape(weights)[0] if np.ndim(weights) == 2 else 1)
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
