"""Lines written down again, and how notes are compared; mir_eval is the judge of the comparison."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.metrics.transcription import Notes, note_f1, transcribe

RATE = 16_000
NOTES = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20), st.integers(500, 560)), max_size=9)


def notes(*rows) -> Notes:
    return Notes(*np.array(rows, np.float64).reshape(-1, 3).T)


def tone(rows, *, seconds, fade_s=0.01) -> np.ndarray:
    """Harmonic tones of (onset, end, MIDI)."""
    t = np.arange(int(seconds * RATE)) / RATE
    sound = np.zeros_like(t)
    for onset, end, midi in rows:
        f0_hz = 440 * 2 ** ((midi - 69) / 12)
        shape = np.clip((t - onset) / fade_s, 0, 1) * np.clip((end - t) / fade_s, 0, 1)
        sound += 0.1 * shape * sum(np.sin(2 * np.pi * k * f0_hz * t) / k for k in (1, 2, 3))
    return sound.astype(np.float32)


@pytest.mark.parametrize("lowest", [40, 57, 80])
def test_a_line_is_written_down_as_it_was_played(lowest):
    played = [
        (0.2, 0.6, lowest),
        (0.6, 0.75, lowest + 1),
        (0.75, 1.3, lowest + 5),
        (1.6, 2.0, lowest - 2),
        (2.0, 2.5, lowest + 10),
    ]
    found = transcribe(tone(played, seconds=2.7), sample_rate=RATE)
    assert len(found) == 5
    np.testing.assert_allclose(found.midi, [midi for *_, midi in played], atol=0.35)
    np.testing.assert_allclose(found.onsets_s, [onset for onset, *_ in played], atol=0.05)
    np.testing.assert_allclose(found.ends_s, [end for _, end, _ in played], atol=0.08)
    assert note_f1(notes(*played), found) == 1


def test_the_same_pitch_struck_again_is_another_note():
    played = [(0.1, 0.5, 62), (0.52, 0.9, 62), (0.92, 1.4, 62)]
    found = transcribe(tone(played, seconds=1.5, fade_s=0.02), sample_rate=RATE)
    np.testing.assert_allclose(found.onsets_s, [0.1, 0.52, 0.92], atol=0.05)
    held = transcribe(tone([(0.1, 1.4, 62)], seconds=1.5), sample_rate=RATE)
    assert len(held) == 1


def test_a_note_begins_where_its_level_rises():
    played = [(0.3, 0.6, 45), (0.8, 1.2, 52)]
    sound = tone(played, seconds=1.5, fade_s=0.005)
    stroke = 0.3 * np.random.default_rng(3).standard_normal(int(0.03 * RATE)).astype(
        np.float32
    )  # a hammer hides the pitch
    for onset, *_ in played:
        sound[int(onset * RATE) :][: len(stroke)] += stroke
    found = transcribe(sound, sample_rate=RATE)
    np.testing.assert_allclose(found.onsets_s, [0.3, 0.8], atol=0.025)
    slowly = transcribe(tone([(0.3, 1.3, 57)], seconds=1.5, fade_s=0.4), sample_rate=RATE)
    assert len(slowly) == 1 and slowly.onsets_s[0] > 0.3, "never before there is anything"
    noise = 0.03 * np.random.default_rng(4).standard_normal(2 * RATE).astype(np.float32)
    hidden = noise + tone([(1.0, 1.8, 57)], seconds=2.0)
    assert transcribe(hidden, sample_rate=RATE).onsets_s[0] == pytest.approx(1.0, abs=0.05), (
        "noise alone is no beginning"
    )


def test_silence_and_noise_have_no_notes():
    assert len(transcribe(np.zeros(RATE, np.float32), sample_rate=RATE)) == 0
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    assert len(transcribe(noise, sample_rate=RATE)) <= 1
    with pytest.raises(InputError):
        transcribe(np.zeros(0, np.float32), sample_rate=RATE)


def test_what_counts_as_found():
    wanted = notes((0.0, 1.0, 60), (1.0, 2.0, 62))
    assert note_f1(wanted, wanted) == 1
    assert note_f1(wanted, notes((0.05, 0.2, 60.5), (0.95, 3.0, 61.5))) == 1, "at the very edges"
    assert note_f1(wanted, notes((0.06, 1.0, 60), (1.0, 2.0, 62))) == 0.5
    assert note_f1(wanted, notes((0.0, 1.0, 60.51), (1.0, 2.0, 62))) == 0.5
    assert note_f1(wanted, notes((1.0, 2.0, 62))) == pytest.approx(2 / 3)
    assert note_f1(wanted, notes((1.0, 2.0, 62), (1.01, 1.5, 62))) == 0.5, "a note counts once"
    assert note_f1(wanted, notes((0.0, 1.0, 72), (1.0, 2.0, 74))) == 0, "an octave is not the note"
    assert note_f1(wanted, notes()) == note_f1(notes(), wanted) == 0
    assert note_f1(notes(), notes()) == 1


@settings(deadline=None, max_examples=60)
@given(NOTES, NOTES)
def test_pairs_are_counted_as_mir_eval_counts_them(one, other):
    transcription = pytest.importorskip("mir_eval.transcription", reason="mir_eval is not installed")

    def made(rows):
        return notes(*((0.021 * onset, 0.021 * (onset + length), 0.11 * pitch) for onset, length, pitch in rows))

    def both(found):
        return np.stack([found.onsets_s, found.ends_s], axis=1), 440 * 2 ** ((found.midi - 69) / 12)

    wanted, found = made(one), made(other)
    if len(wanted) and len(found):
        judged = transcription.precision_recall_f1_overlap(*both(wanted), *both(found), offset_ratio=None)[2]
        assert note_f1(wanted, found) == pytest.approx(judged)


def test_notes_have_as_many_onsets_as_pitches():
    with pytest.raises(InputError, match=r"\(1,\), \(2,\)"):
        Notes(np.zeros(2), np.zeros(2), np.zeros(1))
