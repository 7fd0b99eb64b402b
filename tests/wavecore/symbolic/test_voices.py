"""Voices: every note once, no overlaps, no more voices than needed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.symbolic.score import Note, Score, is_monophonic
from wavecore.symbolic.voices import allocate

quarters = st.integers(1, 12).map(lambda n: n / 4)
notes = st.lists(st.builds(Note, st.integers(0, 40).map(lambda n: n / 4), quarters, st.integers(40, 80)), max_size=24)


def n_at_once(score, release_s):
    """Largest number of notes that sound at the onset of one of them."""
    return max((sum(b.onset_s <= a.onset_s < b.end_s + release_s for b in score.notes) for a in score.notes), default=0)


@pytest.mark.slow
@given(notes, st.sampled_from([0.0, 0.25, 1.0]))
def test_voices_hold_every_note_without_overlaps(notes, release_s):
    score = Score(tuple(notes), "piece")
    voices = allocate(score, release_s=release_s)
    assert sorted((note for voice in voices for note in voice.notes), key=repr) == sorted(score.notes, key=repr)
    for voice in voices:
        assert is_monophonic(voice)
        assert all(a.end_s + release_s <= b.onset_s + 1e-6 for a, b in pairwise(voice.notes))
    assert len(voices) == n_at_once(score, release_s)


def test_notes_go_to_the_nearest_voice():
    high = [Note(t, 1.0, pitch) for t, pitch in enumerate((72, 74, 76))]
    low = [Note(t, 1.0, pitch) for t, pitch in enumerate((48, 50, 47))]
    voices = allocate(Score((*high, *low), track="both", program=3))
    assert [[note.pitch for note in voice.notes] for voice in voices] == [[72, 74, 76], [48, 50, 47]]
    assert (voices[0].track, voices[0].program) == ("both", 3)


def test_touching_notes_share_a_voice():
    third = 1 / 3
    assert len(allocate(Score((Note(0, third, 60), Note(third, third, 62), Note(2 * third, third, 64))))) == 1
    assert len(allocate(Score((Note(0, 1.0, 60), Note(1.0, 1.0, 60))), release_s=0.1)) == 2


def test_limit_on_voices():
    score = Score(tuple(Note(1.5, 1.0, 40 + n % 60) for n in range(10_000)), "storm")
    with pytest.raises(InputError, match=r"storm.*1\.50"):
        allocate(score)
    assert len(allocate(Score(score.notes[:5]), max_voices=5)) == 5
