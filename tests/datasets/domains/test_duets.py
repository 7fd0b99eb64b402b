from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wavecore.datasets.domains.duets import CLOSEST, accompaniment, second_voice
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import Note, Score

notes = st.builds(
    Note,
    onset_s=st.floats(0, 8).map(lambda at: round(at, 2)),
    duration_s=st.floats(0.1, 2).map(lambda length: round(length, 2)),
    pitch=st.integers(20, 100),
)


def line(*pitches: int, length_s: float = 0.5) -> Score:
    return Score(tuple(Note(length_s * i, length_s, pitch) for i, pitch in enumerate(pitches)), "a", "made up", "CC0")


@given(st.lists(notes, max_size=30))
def test_the_second_voice_is_one_line_below_the_melody_and_keeps_its_notes_names(below):
    melody = line(*(60 + (5 * i) % 13 for i in range(16)))
    voice = second_voice(melody, Score(tuple(below)), lowest=48)
    assert scores.is_monophonic(voice)
    names = {note.pitch % 12 for note in below}
    for note in voice.notes:
        assert note.pitch >= 48 and note.pitch % 12 in names
        sounding = [one for one in melody.notes if one.onset_s < note.end_s - 1e-6 and note.onset_s < one.end_s - 1e-6]
        assert all(note.pitch <= one.pitch - CLOSEST for one in sounding)


def test_chords_leave_the_note_nearest_to_the_melody():
    chord = Score(tuple(Note(0, 0.5, pitch) for pitch in (36, 40, 43)))
    (note,) = second_voice(line(72), chord, lowest=48).notes
    assert note.pitch == 67  # G, E and C below 69: 67, 64, 60


def test_where_the_melody_rests_or_no_note_fits_there_is_no_voice():
    late = Score((Note(3, 1, 40),))
    assert second_voice(line(72), late, lowest=48).notes == ()
    assert second_voice(line(50), Score((Note(0, 1, 40),)), lowest=48).notes == ()


def test_the_accompaniment_is_everything_else_but_drums():
    melody, other = line(72, 74), line(40, 43)
    drums = Score((Note(0, 0.1, 36),), is_drum=True)
    found = accompaniment(melody, [melody, other, drums])
    assert found.notes == other.notes and (found.source, found.licence) == ("made up", "CC0")
    assert accompaniment(melody, [melody]).notes == ()
