from __future__ import annotations

import builtins
import os
import subprocess
import sys

import numpy as np
import pytest

from wavecore.datasets import tunes
from wavecore.datasets.synths import soundfont
from wavecore.datasets.synths.soundfont import SoundFont
from wavecore.errors import InputError, UsageError
from wavecore.symbolic.score import Note, Score

RATE = soundfont.SAMPLE_RATE


@pytest.fixture(scope="module")
def sounds() -> SoundFont:
    try:
        return SoundFont()
    except (InputError, UsageError) as error:
        pytest.skip(str(error))


def line(*pitches: int, length_s: float = 1.0) -> Score:
    return Score(tuple(Note(length_s * i, length_s, pitch) for i, pitch in enumerate(pitches)))


def chroma_error_cents(x: np.ndarray, pitch: int) -> float:
    """How far the energy near the pitch's own partials lies from them, by autocorrelation."""
    period = RATE / (440 * 2 ** ((pitch - 69) / 12))
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 8 * len(x))) ** 2
    autocorrelation = np.fft.irfft(spectrum)
    # The fourth period is measured more finely than the first.
    low, high = round(3.7 * period), round(4.3 * period)
    k = low + int(autocorrelation[low:high].argmax())
    a, b, c = autocorrelation[k - 1 : k + 2]
    return 1200 * np.log2(4 * period / (k + 0.5 * (a - c) / (a - 2 * b + c)))


@pytest.mark.parametrize("instrument", ["violin", "reed organ", "harpsichord", "flute", "whistle"])
def test_instruments_sound_the_written_notes(sounds, instrument):
    pitches = (60, 67, 74, 81, 86)
    x = sounds.render(line(*pitches), instrument=instrument, n_samples=5 * RATE)
    for i, pitch in enumerate(pitches):
        part = x[round((i + 0.3) * RATE) : round((i + 0.8) * RATE)]
        assert abs(chroma_error_cents(part, pitch)) < 30


def test_the_same_samples_at_every_call(sounds):
    score = tunes.tune("minuet")
    options = {"instrument": "violin", "n_samples": 3 * RATE}
    first = sounds.render(score, **options)
    sounds.render(score, instrument="reed organ", n_samples=RATE)  # ends while a note sounds
    assert np.array_equal(first, sounds.render(score, **options))
    assert np.array_equal(first, SoundFont(sounds.path).render(score, **options))


def test_form_and_timing(sounds):
    score = Score((Note(0.5, 0.3, 72),))
    x = sounds.render(score, instrument="reed organ", n_samples=RATE + 17)
    assert x.shape == (RATE + 17,)
    assert x.dtype == np.float32
    peak = np.abs(x).max()
    loud = np.flatnonzero(np.abs(x) > 0.1 * peak)
    assert abs(loud[0] / RATE - 0.5) < 0.01
    assert 0.79 < loud[-1] / RATE < 0.9
    assert np.abs(x[: round(0.49 * RATE)]).max() < 1e-3 * peak


def test_a_shorter_render_is_the_start_of_a_longer_one(sounds):
    score = tunes.tune("twinkle")
    long = sounds.render(score, instrument="flute", n_samples=2 * RATE)
    short = sounds.render(score, instrument="flute", n_samples=RATE)
    # The resampler looks a few milliseconds ahead, into silence at the end of the short one.
    assert np.allclose(short[:-400], long[: RATE - 400], atol=1e-6)


def test_gain_is_a_factor(sounds):
    options = {"instrument": "flute", "n_samples": 4_000}
    one, half = (sounds.render(line(72), gain=gain, **options) for gain in (1.0, 0.5))
    assert np.array_equal(half, np.float32(0.5) * one)
    assert not sounds.render(Score(()), **options).any()


@pytest.mark.parametrize("instrument", ["violin", "reed organ", "harpsichord", "flute", "whistle"])
def test_calibrated_loudness(sounds, instrument):
    gain = sounds.calibrated_gain(instrument)
    assert gain == sounds.calibrated_gain(instrument)
    score = tunes.tune("minuet")
    x = sounds.render(score, instrument=instrument, gain=gain, n_samples=round(score.duration_s * RATE))
    assert -24 < 20 * np.log10(x.std()) < -16
    assert np.abs(x).max() < 0.9


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
    assert soundfont.program("strings ensemble") == 48
    assert (soundfont.program("church organ"), soundfont.program("drawbar organ")) == (19, 16)
    assert sounds.preset_name("flute") == "Flute"
    for bad in ("kazoo", 128, -1):
        with pytest.raises(UsageError, match="no instrument"):
            soundfont.program(bad)


def test_what_a_soundfont_lacks_is_named(sounds):
    with pytest.raises(InputError, match="no program 5 in bank 99"):
        sounds.render(line(60), instrument=5, bank=99, n_samples=100)
    with pytest.raises(UsageError, match="n_samples"):
        sounds.render(line(60), instrument=5, n_samples=0)


def test_a_missing_soundfont_says_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match=r"missing\.sf2.*apt install fluid-soundfont-gm"):
        soundfont.find_soundfont(tmp_path / "missing.sf2")


def test_a_file_that_is_no_soundfont(tmp_path, sounds):
    path = tmp_path / "text.sf2"
    path.write_text("not a SoundFont")
    with pytest.raises(InputError, match=r"text\.sf2 is not a SoundFont"):
        SoundFont(path)


def test_rates_that_cannot_be_oversampled_are_refused():
    for rate in (4_000, 44_100):
        with pytest.raises(UsageError, match="8,000 to 32,000"):
            SoundFont(sample_rate=rate)


@pytest.mark.parametrize("error", [ImportError("no library"), OSError("broken library")])
def test_a_missing_library_names_both_packages(tmp_path, monkeypatch, error):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "fluidsynth":
            raise error
        return real(name, *args, **kwargs)

    path = tmp_path / "a.sf2"
    path.touch()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'wavecore\[data\]'.*apt install libfluidsynth3"):
        SoundFont(path)


def test_loading_the_library_prints_nothing():
    """pyfluidsynth tells CI where it found the library, in the middle of a command's JSON."""
    pytest.importorskip("fluidsynth", exc_type=(ImportError, OSError))
    code = "from wavecore.datasets import soundfont; soundfont.load_fluidsynth()"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=os.environ | {"CI": "true"}, capture_output=True, text=True, check=True)
    assert done.stdout == ""
