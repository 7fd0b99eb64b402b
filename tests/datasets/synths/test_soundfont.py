import builtins
import sys

import numpy as np
import pytest

from wavecore.datasets import tunes
from wavecore.datasets.synths import soundfont
from wavecore.datasets.synths.soundfont import SoundFont
from wavecore.errors import InputError, UsageError
from wavecore.symbolic.score import Note, Score

RATE = soundfont.SAMPLE_RATE
INSTRUMENTS = ["violin", "reed organ", "harpsichord", "flute", "whistle"]


def line(*pitches: int, length_s: float = 1.0) -> Score:
    return Score(tuple(Note(length_s * i, length_s, pitch) for i, pitch in enumerate(pitches)))


def error_cents(x: np.ndarray, pitch: int) -> float:
    """Return how far the energy near a pitch's own partials lies from them, by autocorrelation."""
    period = RATE / (440 * 2 ** ((pitch - 69) / 12))
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 8 * len(x))) ** 2
    autocorrelation = np.fft.irfft(spectrum)
    # The fourth period is measured more finely than the first.
    low, high = round(3.7 * period), round(4.3 * period)
    k = low + int(autocorrelation[low:high].argmax())
    a, b, c = autocorrelation[k - 1 : k + 2]
    return 1200 * np.log2(4 * period / (k + 0.5 * (a - c) / (a - 2 * b + c)))


@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_instruments_sound_at_the_written_pitches(sounds, instrument):
    pitches = (60, 74, 86)
    x = sounds.render(line(*pitches), instrument=instrument, n_samples=3 * RATE)
    for i, pitch in enumerate(pitches):
        assert abs(error_cents(x[round((i + 0.3) * RATE) : round((i + 0.8) * RATE)], pitch)) < 30


@pytest.mark.slow
def test_the_same_samples_at_every_call_and_at_the_start_of_longer_ones(sounds):
    score = tunes.tune("minuet")
    first = sounds.render(score, instrument="violin", n_samples=2 * RATE)
    sounds.render(score, instrument="reed organ", n_samples=RATE)  # ends while a note sounds
    assert np.array_equal(first, sounds.render(score, instrument="violin", n_samples=2 * RATE))
    assert np.array_equal(first, SoundFont(sounds.path).render(score, instrument="violin", n_samples=2 * RATE))
    short = sounds.render(score, instrument="violin", n_samples=RATE)
    # The resampler uses the next few milliseconds, which are silent at the end of the short one.
    assert np.allclose(short[:-400], first[: RATE - 400], atol=1e-6)


def test_notes_start_and_end_in_time(sounds):
    x = sounds.render(Score((Note(0.5, 0.3, 72),)), instrument="reed organ", n_samples=RATE + 17)
    assert x.shape == (RATE + 17,) and x.dtype == np.float32
    loud = np.flatnonzero(np.abs(x) > 0.1 * np.abs(x).max())
    assert abs(loud[0] / RATE - 0.5) < 0.01 and 0.79 < loud[-1] / RATE < 0.9
    assert np.abs(x[: round(0.49 * RATE)]).max() < 1e-3 * np.abs(x).max()


def test_the_gain_is_a_factor(sounds):
    options = {"instrument": "flute", "n_samples": 4_000}
    one, half = (sounds.render(line(72), gain=gain, **options) for gain in (1.0, 0.5))
    assert np.array_equal(half, np.float32(0.5) * one)
    assert not sounds.render(Score(()), **options).any()


@pytest.mark.slow
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_calibrated_loudness(sounds, instrument):
    gain = sounds.calibrated_gain(instrument)
    x = sounds.render(tunes.tune("minuet"), instrument=instrument, gain=gain, n_samples=5 * RATE)
    assert -24 < 20 * np.log10(x.std()) < -16 and np.abs(x).max() < 0.9


def test_high_notes_do_not_fold_back(sounds):
    # A harpsichord note at 1,760 Hz: partials 5 to 8 lie above 8 kHz and would come back below it.
    x = sounds.render(line(93, length_s=2.0), instrument="harpsichord", n_samples=2 * RATE)[4_000:20_000]
    power = np.abs(np.fft.rfft(x * np.blackman(len(x)))) ** 2
    frequency = np.fft.rfftfreq(len(x), 1 / RATE)
    folded = [RATE - number * 1_760 for number in (5, 6, 7, 8)]
    leaked = sum(power[np.abs(frequency - hz) < 25].sum() for hz in folded)
    # Without oversampling it is -31 dB.
    assert 10 * np.log10(leaked / power.sum()) < -45


def test_names_and_numbers_of_programs(sounds):
    assert soundfont.program("Violin") == soundfont.program(40) == 40
    assert [soundfont.program(f"{name} organ") for name in ("church", "drawbar")] == [19, 16]
    assert sounds.preset_name("flute") == "Flute"
    for bad in ("kazoo", 128, -1):
        with pytest.raises(UsageError, match=str(bad)):
            soundfont.program(bad)


def test_missing_programs_and_no_samples_are_refused(sounds):
    with pytest.raises(InputError, match="5 in bank 99"):
        sounds.render(line(60), instrument=5, bank=99, n_samples=100)
    with pytest.raises(UsageError, match="n_samples is 0"):
        sounds.render(line(60), instrument=5, n_samples=0)


def test_missing_and_other_files_and_other_rates_are_refused(sounds, tmp_path):
    with pytest.raises(InputError, match=r"missing\.sf2.*fluid-soundfont-gm"):
        soundfont.find_soundfont(tmp_path / "missing.sf2")
    (tmp_path / "text.sf2").write_text("not a SoundFont")
    with pytest.raises(InputError, match=r"text\.sf2"):
        SoundFont(tmp_path / "text.sf2")
    for rate in (4_000, 44_100):
        with pytest.raises(UsageError, match=str(rate)):
            SoundFont(sample_rate=rate)


@pytest.mark.parametrize("error", [ImportError("no library"), OSError("broken library")])
def test_a_missing_library_names_both_packages(tmp_path, monkeypatch, error):
    real = builtins.__import__

    def without_fluidsynth(name, *args, **kwargs):
        if name == "fluidsynth":
            raise error
        return real(name, *args, **kwargs)

    (tmp_path / "a.sf2").touch()
    monkeypatch.setattr(builtins, "__import__", without_fluidsynth)
    with pytest.raises(UsageError, match=r"wavecore\[data\].*libfluidsynth3"):
        SoundFont(tmp_path / "a.sf2")


def test_loading_the_library_prints_nothing(monkeypatch, capfd):
    """Where CI is set, pyfluidsynth prints the library's path, which would be in the middle of a command's JSON."""
    pytest.importorskip("fluidsynth", exc_type=(ImportError, OSError))
    monkeypatch.setenv("CI", "true")
    monkeypatch.delitem(sys.modules, "fluidsynth")
    soundfont.load_fluidsynth()
    assert capfd.readouterr().out == ""
