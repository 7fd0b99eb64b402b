"""Synthesizing human whistling from notes.

A whistle is nearly a sine: its harmonics lie 25 dB and more below the fundamental, its pitch glides between notes and
has slow drift and vibrato, and it is accompanied by breath noise. All of these are random for every performance, so
that a model trained on many performances generalizes to other whistlers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.score import Note, Score, is_monophonic

LOWEST_HZ, HIGHEST_HZ = 500.0, 4_500.0
SAMPLE_RATE = 16_000
LEGATO_S = 0.08  # notes nearer than this are whistled in one breath
Range = tuple[float, float]


@dataclass(frozen=True)
class WhistleConfig:
    """Ranges from which the parameters of a performance are drawn uniformly, in the order of the fields."""

    glide_s: Range = (0.02, 0.18)  # from one legato note's pitch to the next one's, seconds
    scoop_semitones: Range = (0.0, 1.5)  # how far below its pitch a note starts after a rest
    vibrato_hz: Range = (4.5, 6.5)
    vibrato_cents: Range = (0.0, 45.0)  # from the middle to the peak
    vibrato_delay_s: Range = (0.1, 0.4)  # from a note's start until its vibrato sets in
    detune_cents: Range = (-30.0, 30.0)  # offset of the whole performance
    drift_cents: Range = (2.0, 12.0)  # standard deviation of the slow drift
    jitter_cents: Range = (1.0, 5.0)  # standard deviation of the fast unsteadiness
    attack_s: Range = (0.02, 0.09)  # rise of a breath
    release_s: Range = (0.02, 0.09)  # fall of a breath
    dip: Range = (0.0, 0.7)  # by how much the level falls between legato notes, 0 to 1
    tremolo: Range = (0.0, 0.2)  # depth of the level's movement with the vibrato, 0 to 1
    swell_db: Range = (0.5, 3.0)  # standard deviation of the level's slow movement
    harmonic2_db: Range = (-50.0, -25.0)  # against the fundamental
    harmonic3_db: Range = (-65.0, -40.0)  # against the fundamental
    breath_db: Range = (-40.0, -16.0)  # noise in a band around the pitch, against the fundamental
    breath_hz: Range = (60.0, 250.0)  # half width of that band
    air_db: Range = (-60.0, -32.0)  # broadband noise, against the fundamental
    amplitude: float = 0.16  # of the fundamental at velocity 90; melodies have about -20 dBFS RMS

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "amplitude":
                if not 0 < value <= 0.5:
                    raise UsageError(f"amplitude is {value}; it must be above 0 and at most 0.5")
                continue
            low, high = value
            if not low <= high:
                raise UsageError(f"{field.name} is {value}; it must be (lowest, highest)")
            if low < 0 and not field.name.endswith(("_db", "detune_cents")):
                raise UsageError(f"{field.name} is {value}; it cannot be negative")
        for name in ("dip", "tremolo"):
            if getattr(self, name)[1] > 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it cannot exceed 1")

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Draw the parameters of one performance, a value for every field."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: float(rng.uniform(*v)) if isinstance(v, tuple) else v for name, v in values.items()}


def whistle(
    score: Score,
    *,
    rng: np.random.Generator,
    n_samples: int | None = None,
    sample_rate: int = SAMPLE_RATE,
    config: WhistleConfig | None = None,
) -> np.ndarray:
    """Synthesize a whistled melody.

    Parameters
    ----------
    score : Score
        One voice; its pitches between 500 and 4,500 Hz (MIDI 72 to 108).
    rng : numpy.random.Generator
        Draws the performance: the same state gives the same samples.
    n_samples : int or None
        Length of the result; the score's and 0.25 s more when None.
    sample_rate : int
        Hz, 16,000 or more.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        In (-1, 1); nothing lies above half the sampling rate.

    Raises
    ------
    InputError
        If the score is empty, has overlaps, or leaves the range; the message names an octave that would fit.
    UsageError
        If the length or the rate is out of range.

    Examples
    --------
    >>> score = Score([Note(0.0, 0.5, 84), Note(0.5, 0.5, 88)])
    >>> whistle(score, rng=np.random.default_rng(0)).shape
    (20000,)
    """
    _check(score, sample_rate)
    if n_samples is None:
        n_samples = round((score.duration_s + 0.25) * sample_rate)
    if n_samples < 1:
        raise UsageError(f"n_samples is {n_samples}; it must be 1 or more")
    parameters = (config or WhistleConfig()).draw(rng)
    t = np.arange(n_samples) / sample_rate
    vibrato = _vibrato(t, score.notes, parameters, rng)
    pitch = (
        _glided_pitch(t, score.notes, parameters)
        + _unsteadiness(t, parameters, rng)
        + parameters["vibrato_cents"] / 100 * vibrato
    )
    f0_hz = np.clip(440.0 * 2 ** ((pitch - 69) / 12), LOWEST_HZ / 2, 0.45 * sample_rate)
    phase = 2 * np.pi * np.cumsum(f0_hz) / sample_rate + rng.uniform(0, 2 * np.pi)
    level = _level(t, score.notes, parameters, rng) * (1 + parameters["tremolo"] * vibrato)
    tone = _tone(phase, f0_hz, parameters, sample_rate) + _breath(phase, parameters, sample_rate, rng)
    air = _db(parameters["air_db"]) * _air(n_samples, sample_rate, rng) * _smooth(level, round(0.04 * sample_rate))
    return np.clip(level * tone + air, -0.99, 0.99).astype(np.float32)


def octaves_in_range(score: Score) -> list[int]:
    """Return the numbers of octaves, ascending, by which a score may be moved to be whistled; none if it is too wide.

    Examples
    --------
    >>> octaves_in_range(Score([Note(0.0, 0.5, 60), Note(0.5, 0.5, 72)]))
    [1, 2, 3]
    """
    pitches = [note.pitch for note in score.notes]
    return [
        octave
        for octave in range(-4, 6)
        if all(LOWEST_HZ <= _hz(pitch + 12 * octave) <= HIGHEST_HZ for pitch in pitches) and pitches
    ]


def _check(score: Score, sample_rate: int) -> None:
    if sample_rate < SAMPLE_RATE:
        raise UsageError(f"a whistle needs {SAMPLE_RATE} Hz or more, not {sample_rate}; resample the result")
    if not score.notes:
        raise InputError(f"the score {score.name!r} has no notes to whistle")
    if not is_monophonic(score):
        raise InputError(f"the score {score.name!r} has overlapping notes; take score.monophonic of it first")
    for note in score.notes:
        if not LOWEST_HZ <= _hz(note.pitch) <= HIGHEST_HZ:
            fitting = octaves_in_range(score)
            advice = f"move it by {fitting[0]:+d} octaves" if fitting else "no octave fits: crop or fold the melody"
            raise InputError(
                f"pitch {note.pitch} at {note.onset_s:.2f} s is {_hz(note.pitch):.0f} Hz, "
                f"people whistle {LOWEST_HZ:.0f} to {HIGHEST_HZ:.0f} Hz; {advice}"
            )


def _hz(pitch: float) -> float:
    return 440.0 * 2 ** ((pitch - 69) / 12)


def _db(value: float) -> float:
    return 10 ** (value / 20)


def _follows(before: Note | None, note: Note) -> bool:
    """Return whether a note is in the same breath as the one before."""
    return before is not None and note.onset_s - before.end_s < LEGATO_S


def _glided_pitch(t: np.ndarray, notes: tuple[Note, ...], parameters: dict[str, float]) -> np.ndarray:
    """Return the melody in MIDI numbers with glides and scoops, shape (T,)."""
    pitch = np.full(len(t), float(notes[0].pitch))
    before = None
    for note in notes:
        since = t - note.onset_s
        if _follows(before, note):
            # The glide is centred on the onset and lasts at most half of either note on its side.
            glide_s = min(parameters["glide_s"], before.duration_s, note.duration_s)
            x = np.clip(since / max(glide_s, 1e-3) + 0.5, 0, 1)
            shape = x * x * (3 - 2 * x)
            after = since > -glide_s / 2
            pitch[after] = before.pitch + (note.pitch - before.pitch) * shape[after]
        else:
            after = since >= 0
            pitch[after] = note.pitch - parameters["scoop_semitones"] * np.exp(-since[after] / 0.025)
        before = note
    return pitch


def _vibrato(
    t: np.ndarray, notes: tuple[Note, ...], parameters: dict[str, float], rng: np.random.Generator
) -> np.ndarray:
    """Return a sine of -1 to 1 that sets in late in every note, shape (T,)."""
    rate = parameters["vibrato_hz"] * (1 + 0.06 * _wander(t, 0.5, rng))
    depth = np.zeros(len(t))
    for note in notes:
        inside = (t >= note.onset_s) & (t < note.end_s)
        depth[inside] = np.clip((t[inside] - note.onset_s - parameters["vibrato_delay_s"]) / 0.25, 0, 1)
    step = t[1] - t[0] if len(t) > 1 else 0.0
    # The depth is smoothed, so that the pitch never jumps.
    return _smooth(depth, 1 + round(0.05 / step) if step else 1) * np.sin(2 * np.pi * np.cumsum(rate) * step)


def _unsteadiness(t: np.ndarray, parameters: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """Return detune, drift and jitter in semitones, shape (T,)."""
    drift = parameters["drift_cents"] * _wander(t, 0.4, rng)
    jitter = parameters["jitter_cents"] * _wander(t, 0.04, rng)
    return (parameters["detune_cents"] + drift + jitter) / 100


def _level(
    t: np.ndarray, notes: tuple[Note, ...], parameters: dict[str, float], rng: np.random.Generator
) -> np.ndarray:
    """Return the amplitude of the fundamental, shape (T,)."""
    level = np.zeros(len(t))
    before = None
    for i, note in enumerate(notes):
        follows = _follows(before, note)
        continues = i + 1 < len(notes) and _follows(note, notes[i + 1])
        end_s = notes[i + 1].onset_s if continues else note.end_s
        inside = (t >= note.onset_s) & (t < end_s)
        half = (end_s - note.onset_s) / 2
        rise = _ramp((t[inside] - note.onset_s) / min(parameters["attack_s"], half))
        fall = _ramp((end_s - t[inside]) / min(parameters["release_s"], half))
        # Inside a breath the level only dips; at its ends it starts from nothing.
        rise = 1 - parameters["dip"] * (1 - rise) if follows else rise
        fall = 1 - parameters["dip"] * (1 - fall) if continues else fall
        level[inside] = (note.velocity / 90) * rise * fall
        before = note
    return parameters["amplitude"] * level * _db(parameters["swell_db"] * _wander(t, 0.6, rng))


def _ramp(x: np.ndarray) -> np.ndarray:
    """Return 0 to 1 along half a cosine."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(x, 0, 1))


def _tone(phase: np.ndarray, f0_hz: np.ndarray, parameters: dict[str, float], sample_rate: int) -> np.ndarray:
    """Return the fundamental and two weak harmonics, each faded out below the Nyquist frequency."""
    tone = np.sin(phase)
    for number, level_db in ((2, parameters["harmonic2_db"]), (3, parameters["harmonic3_db"])):
        fade = np.clip((0.48 * sample_rate - number * f0_hz) / 500.0, 0, 1)
        tone += _db(level_db) * fade * np.sin(number * phase)
    return tone


def _breath(phase: np.ndarray, parameters: dict[str, float], sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise in a band that follows the pitch: slow complex noise modulated by the tone's phase."""
    n = len(phase)
    frequency = np.fft.fftfreq(n, 1 / sample_rate)
    spectrum = (rng.standard_normal(n) + 1j * rng.standard_normal(n)) * np.exp(
        -0.5 * (frequency / parameters["breath_hz"]) ** 2
    )
    slow = np.fft.ifft(spectrum)
    slow /= np.sqrt(np.mean(np.abs(slow) ** 2)) + 1e-12
    return _db(parameters["breath_db"]) * (slow * np.exp(1j * phase)).real


def _air(n_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise whose spectrum rises up to 2 kHz and fades out below the Nyquist frequency; RMS 1."""
    frequency = np.fft.rfftfreq(n_samples, 1 / sample_rate)
    shape = frequency / (frequency + 2_000.0) * np.clip((0.5 * sample_rate - frequency) / 1_000.0, 0, 1)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(n_samples)) * shape, n_samples)
    return noise / (np.sqrt(np.mean(noise**2)) + 1e-12)


def _wander(t: np.ndarray, spacing_s: float, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth random curve of about unit standard deviation: normal values at knots, eased between them."""
    position = t / spacing_s
    knots = rng.standard_normal(int(position[-1]) + 2)
    whole = position.astype(int)
    x = position - whole
    return knots[whole] + (knots[whole + 1] - knots[whole]) * x * x * (3 - 2 * x)


def _smooth(x: np.ndarray, width: int) -> np.ndarray:
    """Return a centred moving average over `width` samples, made odd, with zeros beyond the ends."""
    half = max(width, 1) // 2
    total = np.concatenate([np.zeros(half + 1), x, np.zeros(half)]).cumsum()
    return (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)
