"""Voices: every note once, one at a time, and no more voices than needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.symbolic.score import Note, Score, is_monophonic
from wavecore.symbolic.voices import allocate, most_at_once

notes = st.lists(
    st.builds(
        Note, st.integers(0, 40).map(lambda n: n / 4), st.integers(1, 12).map(lambda n: n / 4), st.integers(40, 80)
    ),
    max_size=24,
)


@given(notes, st.sampled_from([0.0, 0.25, 1.0]))
def test_every_note_has_a_voice_of_its_own_while_it_sounds(found, release_s):
    score = Score(tuple(found), "piece")
    voices = allocate(score, release_s=release_s)
    assert sorted((note for voice in voices for note in voice.notes), key=repr) == sorted(score.notes, key=repr)
    for voice in voices:
        assert is_monophonic(voice)
        assert all(a.end_s + release_s <= b.onset_s + 1e-6 for a, b in zip(voice.notes, voice.notes[1:], strict=False))
    assert len(voices) == most_at_once(score, release_s=release_s)


def test_lines_hold_together():
    high = [Note(t, 1.0, pitch) for t, pitch in enumerate((72, 74, 76))]
    low = [Note(t, 1.0, pitch) for t, pitch in enumerate((48, 50, 47))]
    voices = allocate(Score((*high, *low), track="both", program=3))
    assert [[note.pitch for note in voice.notes] for voice in voices] == [[72, 74, 76], [48, 50, 47]]
    assert (voices[0].track, voices[0].program) == ("both", 3)


def test_notes_that_touch_follow_each_other():
    third = 1 / 3
    assert len(allocate(Score((Note(0, third, 60), Note(third, third, 62), Note(2 * third, third, 64))))) == 1
    assert len(allocate(Score((Note(0, 1.0, 60), Note(1.0, 1.0, 60))), release_s=0.1)) == 2


def test_no_notes_no_voices():
    assert allocate(Score(())) == [] and most_at_once(Score(())) == 0


def test_too_many_at_once_are_named():
    many = Score(tuple(Note(1.5, 1.0, 40 + n % 60) for n in range(10_000)), "storm")
    with pytest.raises(InputError, match="storm: more than 64 notes sound at once at 1.50 s"):
        allocate(many)
    assert most_at_once(many) == 10_000
    assert len(allocate(Score(many.notes[:5]), most_voices=5)) == 5
