"""Transcription of lines of known notes, and the F-measure of notes."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.metrics.transcription import Notes, note_f1, transcribe

RATE = 16_000


def notes(*rows) -> Notes:
    return Notes(*np.array(rows, np.float64).reshape(-1, 3).T)


def tone(rows, *, seconds, fade_s=0.01) -> np.ndarray:
    """Synthesize harmonic tones of (onset, end, MIDI)."""
    t = np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros_like(t)
    for onset, end, midi in rows:
        f0_hz = 440 * 2 ** ((midi - 69) / 12)
        envelope = np.clip((t - onset) / fade_s, 0, 1) * np.clip((end - t) / fade_s, 0, 1)
        sound += 0.1 * envelope * sum(np.sin(2 * np.pi * k * f0_hz * t) / k for k in (1, 2, 3))
    return sound.astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("lowest", [40, 57, 80])
def test_a_line_is_transcribed(lowest):
    steps = [(0.2, 0.6, 0), (0.6, 0.75, 1), (0.75, 1.3, 5), (1.6, 2.0, -2), (2.0, 2.5, 10)]
    played = [(onset, end, lowest + step) for onset, end, step in steps]
    found = transcribe(tone(played, seconds=2.7), sample_rate=RATE)
    assert len(found) == 5
    np.testing.assert_allclose(found.midi, [midi for *_, midi in played], atol=0.35)
    np.testing.assert_allclose(found.onsets_s, [onset for onset, *_ in played], atol=0.05)
    np.testing.assert_allclose(found.ends_s, [end for _, end, _ in played], atol=0.08)
    assert note_f1(notes(*played), found) == 1


@pytest.mark.slow
def test_a_repeated_pitch_is_another_note():
    played = [(0.1, 0.5, 62), (0.52, 0.9, 62), (0.92, 1.4, 62)]
    found = transcribe(tone(played, seconds=1.5, fade_s=0.02), sample_rate=RATE)
    np.testing.assert_allclose(found.onsets_s, [0.1, 0.52, 0.92], atol=0.05)
    assert len(transcribe(tone([(0.1, 1.4, 62)], seconds=1.5), sample_rate=RATE)) == 1


@pytest.mark.slow
def test_a_note_begins_where_its_level_rises():
    played = [(0.3, 0.6, 45), (0.8, 1.2, 52)]
    sound = tone(played, seconds=1.5, fade_s=0.005)
    stroke = 0.3 * np.random.default_rng(3).standard_normal(int(0.03 * RATE)).astype(np.float32)
    for onset, *_ in played:
        sound[int(onset * RATE) :][: len(stroke)] += stroke  # the noise of a hammer masks the pitch
    found = transcribe(sound, sample_rate=RATE)
    np.testing.assert_allclose(found.onsets_s, [0.3, 0.8], atol=0.025)


@pytest.mark.slow
def test_a_slow_onset_lies_in_the_sound_and_noise_is_no_onset():
    found = transcribe(tone([(0.3, 1.0, 57)], seconds=1.1, fade_s=0.4), sample_rate=RATE)
    assert len(found) == 1 and found.onsets_s[0] > 0.3
    noise = 0.03 * np.random.default_rng(4).standard_normal(RATE).astype(np.float32)
    found = transcribe(noise + tone([(0.5, 0.9, 57)], seconds=1.0), sample_rate=RATE)
    assert found.onsets_s[0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_silence_and_noise_have_no_notes():
    assert len(transcribe(np.zeros(RATE, np.float32), sample_rate=RATE)) == 0
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert len(transcribe(noise, sample_rate=RATE)) <= 1
    with pytest.raises(InputError):
        transcribe(np.zeros(0, np.float32), sample_rate=RATE)


@pytest.mark.parametrize(
    ("estimate", "f1"),
    [
        ([(0.0, 1.0, 60), (1.0, 2.0, 62)], 1),
        ([(0.05, 0.2, 60.5), (0.95, 3.0, 61.5)], 1),  # the tolerances are inclusive, ends are ignored
        ([(0.06, 1.0, 60), (1.0, 2.0, 62)], 0.5),
        ([(0.0, 1.0, 60.51), (1.0, 2.0, 62)], 0.5),
        ([(1.0, 2.0, 62)], 2 / 3),
        ([(1.0, 2.0, 62), (1.01, 1.5, 62)], 0.5),  # a note matches one other at most
        ([(0.0, 1.0, 72), (1.0, 2.0, 74)], 0),  # octaves matter
        ([], 0),
    ],
)
def test_the_f_measure_of_known_notes(estimate, f1):
    reference = notes((0.0, 1.0, 60), (1.0, 2.0, 62))
    assert note_f1(reference, notes(*estimate)) == note_f1(notes(*estimate), reference) == pytest.approx(f1)
    assert note_f1(notes(), notes()) == 1


@pytest.mark.parametrize(
    ("arrays", "value"),
    [(([0, 1], [1, 2], [60]), r"\(1,\), \(2,\)"), (([-0.1], [1], [60]), "0 s"), (([1], [1], [60]), "ends")],
)
def test_inconsistent_notes_are_refused(arrays, value):
    with pytest.raises(InputError, match=value):
        Notes(*(np.array(array, np.float64) for array in arrays))
