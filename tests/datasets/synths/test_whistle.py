from __future__ import annotations

import numpy as np
import pytest

from wavecore.datasets import tunes
from wavecore.datasets.synths import whistle
from wavecore.datasets.synths.whistle import WhistleConfig
from wavecore.errors import InputError, UsageError
from wavecore.symbolic.score import Note, Score, transpose

RATE = whistle.SAMPLE_RATE
STEADY = WhistleConfig(
    vibrato_cents=(0, 0), detune_cents=(0, 0), drift_cents=(0, 0), jitter_cents=(0, 0),
    scoop_semitones=(0, 0), swell_db=(0, 0), breath_db=(-90, -90), air_db=(-90, -90),
)  # fmt: skip


def line(*pitches: int, length_s: float = 0.5) -> Score:
    return Score(tuple(Note(length_s * i, length_s, pitch) for i, pitch in enumerate(pitches)), name="line")


def play(score: Score, seed: int = 0, **options) -> np.ndarray:
    return whistle.whistle(score, rng=np.random.default_rng(seed), **options)


def strongest_hz(x: np.ndarray) -> float:
    """The frequency of the largest spectral peak, by a parabola through its neighbours."""
    level = np.log(np.abs(np.fft.rfft(x * np.hanning(len(x)))) + 1e-12)
    k = int(level.argmax())
    a, b, c = level[k - 1 : k + 2]
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / len(x)


def cents(hz: float, pitch: int) -> float:
    return 1200 * np.log2(hz / (440 * 2 ** ((pitch - 69) / 12)))


def middle(x: np.ndarray, note: Note) -> np.ndarray:
    start, end = note.onset_s + 0.3 * note.duration_s, note.onset_s + 0.7 * note.duration_s
    return x[round(start * RATE) : round(end * RATE)]


def test_a_steady_whistle_has_the_notes_pitch_over_the_whole_range():
    score = line(*range(72, 109, 3))
    x = play(score, config=STEADY)
    for note in score.notes:
        assert abs(cents(strongest_hz(middle(x, note)), note.pitch)) < 3


@pytest.mark.parametrize("seed", range(4))
def test_any_performance_stays_within_its_ranges(seed):
    score = line(74, 79, 83, 88, 93, 98)
    x = play(score, seed)
    # 30 cents of detune, 45 of vibrato, and drift and jitter of three standard deviations at most.
    for note in score.notes:
        assert abs(cents(strongest_hz(middle(x, note)), note.pitch)) < 30 + 45 + 3 * (12 + 5)


def test_performances_differ_and_repeat():
    score = transpose(tunes.tune("ode-to-joy"), 12)
    assert np.array_equal(play(score, 1), play(score, 1))
    one, other = play(score, 1), play(score, 2)
    assert np.corrcoef(one, other)[0, 1] < 0.5
    # Draws come from the generator that is passed in: the second of two differs from the first.
    rng = np.random.default_rng(1)
    assert np.array_equal(whistle.whistle(score, rng=rng), one)
    assert not np.array_equal(whistle.whistle(score, rng=rng), one)


@pytest.mark.parametrize("seed", range(3))
def test_level_and_form(seed):
    x = play(transpose(tunes.tune("minuet"), 12), seed)
    assert x.dtype == np.float32
    assert x.shape == (round((tunes.tune("minuet").duration_s + 0.25) * RATE),)
    assert np.isfinite(x).all()
    assert np.abs(x).max() < 1
    assert -26 < 20 * np.log10(x.std()) < -14


def test_harmonics_are_weak_and_nothing_folds_back():
    # 4,186 Hz: twice of it is above the Nyquist frequency of 8 kHz and would come back at 7,628 Hz.
    x = play(line(108, length_s=1.0), config=STEADY)[4_000:12_000]
    spectrum = np.abs(np.fft.rfft(x * np.blackman(len(x))))
    frequency = np.fft.rfftfreq(len(x), 1 / RATE)
    fundamental = spectrum[np.abs(frequency - 4_186) < 30].max()
    assert spectrum[np.abs(frequency - 7_628) < 30].max() < 1e-3 * fundamental
    x = play(line(84, length_s=1.0), config=STEADY)[4_000:12_000]
    spectrum = np.abs(np.fft.rfft(x * np.blackman(len(x))))
    fundamental = spectrum[np.abs(frequency - 1_046.5) < 10].max()
    second = 20 * np.log10(spectrum[np.abs(frequency - 2_093) < 10].max() / fundamental)
    third = 20 * np.log10(spectrum[np.abs(frequency - 3_139.5) < 10].max() / fundamental)
    assert -51 < second < -24
    assert -66 < third < -39


def test_legato_notes_glide_and_detached_ones_stop():
    glide = WhistleConfig(**{**STEADY.__dict__, "glide_s": (0.1, 0.1), "dip": (0, 0)})
    legato = play(line(80, 92), config=glide)
    around = legato[round(0.49 * RATE) : round(0.51 * RATE)]
    assert 80.5 < 69 + 12 * np.log2(strongest_hz(np.pad(around, 4_000)) / 440) < 91.5
    detached = Score((Note(0, 0.4, 80), Note(0.6, 0.4, 92)))
    x = play(detached, config=glide)
    assert np.abs(x[round(0.45 * RATE) : round(0.55 * RATE)]).max() < 0.001
    # No clicks: the level starts from nothing and ends in nothing.
    assert np.abs(x[:16]).max() < 0.01


def test_air_is_heard_where_there_is_breath():
    airy = WhistleConfig(**{**STEADY.__dict__, "air_db": (-20, -20)})
    x = play(Score((Note(0.5, 0.5, 84),)), config=airy, n_samples=RATE)
    assert np.abs(x[: round(0.4 * RATE)]).max() == 0
    clean = play(Score((Note(0.5, 0.5, 84),)), config=STEADY, n_samples=RATE)
    assert high_level(x) > 30 * high_level(clean)


def high_level(x: np.ndarray) -> float:
    """How much there is between 5 and 6.7 kHz in the middle of a note from 0.5 to 1 s."""
    part = x[round(0.6 * RATE) : round(0.9 * RATE)]
    return float(np.abs(np.fft.rfft(part * np.blackman(len(part))))[1_500:2_000].mean())


@pytest.mark.parametrize("n_samples", [1, 2, 137, 8_001, 30_000])
def test_any_length(n_samples):
    x = play(line(80, 82), n_samples=n_samples)
    assert x.shape == (n_samples,)
    assert np.isfinite(x).all()
    if n_samples == 30_000:
        assert np.abs(x[round(1.1 * RATE) :]).max() == 0


def test_very_short_notes_do_not_break():
    x = play(Score(tuple(Note(0.02 * i, 0.02, 80 + i % 3) for i in range(50))))
    assert np.isfinite(x).all()
    assert np.abs(x).max() > 0.01


def test_octaves_in_range():
    assert whistle.octaves_in_range(line(60, 72)) == [1, 2, 3]
    assert whistle.octaves_in_range(line(60, 84)) == [1, 2]
    assert whistle.octaves_in_range(line(108)) == [-3, -2, -1, 0]
    assert whistle.octaves_in_range(line(40, 90)) == []
    assert whistle.octaves_in_range(Score(())) == []


def test_scores_that_cannot_be_whistled_are_refused():
    with pytest.raises(InputError, match=r"pitch 60 .* 262 Hz.*move it by \+1 octaves"):
        play(line(72, 60))
    with pytest.raises(InputError, match="no octave fits"):
        play(line(40, 90))
    with pytest.raises(InputError, match="no notes"):
        play(Score(()))
    with pytest.raises(InputError, match="overlapping"):
        play(Score((Note(0, 1, 80), Note(0.5, 1, 84))))
    with pytest.raises(UsageError, match="n_samples"):
        play(line(80), n_samples=0)
    with pytest.raises(UsageError, match="16000 Hz or more"):
        play(line(80), sample_rate=8_000)


@pytest.mark.parametrize(
    "values",
    [
        {"glide_s": (0.2, 0.1)}, {"vibrato_hz": (-1, 5)}, {"dip": (0, 1.5)}, {"amplitude": 0},
        {"amplitude": 0.7}, {"attack_s": (float("nan"), 1)},
    ],
)  # fmt: skip
def test_senseless_ranges_are_refused(values):
    with pytest.raises(UsageError, match=next(iter(values))):
        WhistleConfig(**values)
