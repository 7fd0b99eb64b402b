from dataclasses import replace

import numpy as np
import pytest

from wavecore.datasets import tunes
from wavecore.datasets.synths import whistle
from wavecore.datasets.synths.whistle import WhistleConfig
from wavecore.errors import InputError, UsageError
from wavecore.symbolic.score import Note, Score, transpose

RATE = whistle.SAMPLE_RATE
ZERO, QUIET = (0.0, 0.0), (-90.0, -90.0)
UNVARIED = ("vibrato_cents", "detune_cents", "drift_cents", "jitter_cents", "scoop_semitones", "swell_db")
STEADY = WhistleConfig(**dict.fromkeys(UNVARIED, ZERO), breath_db=QUIET, air_db=QUIET)


def line(*pitches: int, length_s: float = 0.5) -> Score:
    return Score(tuple(Note(length_s * i, length_s, pitch) for i, pitch in enumerate(pitches)), name="line")


def play(score: Score, seed: int = 0, **options) -> np.ndarray:
    return whistle.whistle(score, rng=np.random.default_rng(seed), **options)


def strongest_hz(x: np.ndarray) -> float:
    """Return the frequency of the largest spectral peak, by a parabola through its neighbours."""
    level = np.log(np.abs(np.fft.rfft(x * np.hanning(len(x)))) + 1e-12)
    k = int(level.argmax())
    a, b, c = level[k - 1 : k + 2]
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / len(x)


def cents(hz: float, pitch: int) -> float:
    return 1200 * np.log2(hz / (440 * 2 ** ((pitch - 69) / 12)))


def middle(x: np.ndarray, note: Note) -> np.ndarray:
    start, end = note.onset_s + 0.3 * note.duration_s, note.onset_s + 0.7 * note.duration_s
    return x[round(start * RATE) : round(end * RATE)]


def test_a_steady_whistle_is_at_the_written_pitch_over_the_whole_range():
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
    score = line(74, 79, 83)
    one, other = play(score, 1), play(score, 2)
    assert np.corrcoef(one, other)[0, 1] < 0.5
    # The generator that is passed in draws them: the second of two differs from the first.
    rng = np.random.default_rng(1)
    assert np.array_equal(whistle.whistle(score, rng=rng), one)
    assert not np.array_equal(whistle.whistle(score, rng=rng), one)


@pytest.mark.parametrize("seed", range(3))
def test_level_and_length(seed):
    x = play(transpose(tunes.tune("minuet"), 12), seed)
    assert x.dtype == np.float32 and x.shape == (round((tunes.tune("minuet").duration_s + 0.25) * RATE),)
    assert np.isfinite(x).all() and np.abs(x).max() < 1
    assert -26 < 20 * np.log10(x.std()) < -14


def test_harmonics_are_weak_and_nothing_folds_back():
    def spectrum_of(pitch: int, *frequencies_hz: float) -> list[float]:
        x = play(line(pitch, length_s=1.0), config=STEADY)[4_000:12_000]
        spectrum = np.abs(np.fft.rfft(x * np.blackman(len(x))))
        bins = np.fft.rfftfreq(len(x), 1 / RATE)
        return [20 * np.log10(spectrum[np.abs(bins - hz) < 20].max()) for hz in frequencies_hz]

    # 4,186 Hz: twice of it is above the Nyquist frequency of 8 kHz and would come back at 7,628 Hz.
    fundamental, folded = spectrum_of(108, 4_186, 7_628)
    assert folded < fundamental - 60
    fundamental, second, third = spectrum_of(84, 1_046.5, 2_093, 3_139.5)
    assert -51 < second - fundamental < -24 and -66 < third - fundamental < -39


def test_legato_notes_glide_and_detached_ones_end():
    glide = replace(STEADY, glide_s=(0.1, 0.1), dip=ZERO)
    legato = play(line(80, 92), config=glide)
    around = legato[round(0.49 * RATE) : round(0.51 * RATE)]
    assert 80.5 < 69 + 12 * np.log2(strongest_hz(np.pad(around, 4_000)) / 440) < 91.5
    detached = Score((Note(0, 0.4, 80), Note(0.6, 0.4, 92)))
    x = play(detached, config=glide)
    assert np.abs(x[round(0.45 * RATE) : round(0.55 * RATE)]).max() < 0.001
    # The level starts from zero, so that there is no click.
    assert np.abs(x[:16]).max() < 0.01


def test_air_sounds_where_there_is_breath():
    def high_level(x: np.ndarray) -> float:
        """Return the mean magnitude between 5 and 6.7 kHz in the middle of a note from 0.5 to 1 s."""
        part = x[round(0.6 * RATE) : round(0.9 * RATE)]
        return float(np.abs(np.fft.rfft(part * np.blackman(len(part))))[1_500:2_000].mean())

    score = Score((Note(0.5, 0.5, 84),))
    airy, clean = (play(score, config=replace(STEADY, air_db=(db, db)), n_samples=RATE) for db in (-20, -90))
    assert np.abs(airy[: round(0.4 * RATE)]).max() == 0
    assert high_level(airy) > 30 * high_level(clean)


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


@pytest.mark.parametrize(
    ("score", "options", "error", "fact"),
    [
        (line(72, 60), {}, InputError, r"pitch 60 .* 262 Hz.*\+1 octaves"),
        (line(40, 90), {}, InputError, "no octave fits"),
        (Score(()), {}, InputError, "no notes"),
        (Score((Note(0, 1, 80), Note(0.5, 1, 84))), {}, InputError, "overlapping"),
        (line(80), {"n_samples": 0}, UsageError, "n_samples is 0"),
        (line(80), {"sample_rate": 8_000}, UsageError, "8000"),
    ],
)
def test_what_cannot_be_whistled_is_refused(score, options, error, fact):
    with pytest.raises(error, match=fact):
        play(score, **options)


@pytest.mark.parametrize(
    "values",
    [
        {"glide_s": (0.2, 0.1)},
        {"vibrato_hz": (-1, 5)},
        {"dip": (0, 1.5)},
        {"amplitude": 0},
        {"amplitude": 0.7},
        {"attack_s": (float("nan"), 1)},
    ],
)
def test_ranges_out_of_bounds_are_refused(values):
    with pytest.raises(UsageError, match=next(iter(values))):
        WhistleConfig(**values)
