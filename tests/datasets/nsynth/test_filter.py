from __future__ import annotations

import pytest

from wavecore.datasets.nsynth.note import NoteFilter, read_exclusions
from wavecore.errors import InputError, UsageError


def kept(items, **conditions) -> list[str]:
    return [note.note_str for note, _ in items if NoteFilter(**conditions).keeps(note)]


def test_every_condition(items):
    names = [note.note_str for note, _ in items]
    assert kept(items) == names
    assert kept(items, families=("flute", "bass")) == names[:4]
    assert kept(items, sources=("synthetic",)) == names[4:]
    assert kept(items, pitches=(60, 60)) == names[1::2]
    assert kept(items, pitches=(47, 59)) == names[0::2]
    assert kept(items, velocities=(25, 100)) == names and kept(items, velocities=(25,)) == []
    assert kept(items, exclude=frozenset(names[1:])) == names[:1]
    assert kept(items, families=()) == []


def test_all_qualities_must_be_there(items):
    note = next(note for note, _ in items if len(note.qualities_str) >= 2)
    assert note.note_str in kept(items, qualities=note.qualities_str[:2])
    missing = next(name for name in ("bright", "dark", "reverb", "percussive") if name not in note.qualities_str)
    assert note.note_str not in kept(items, qualities=(note.qualities_str[0], missing))


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"families": ("kazoo",)}, "families: there is no 'kazoo'"),
        ({"sources": ("flute",)}, "sources: there is no 'flute'; choose from acoustic"),
        ({"qualities": ("loud",)}, "qualities: there is no 'loud'"),
        ({"pitches": (60, 59)}, r"pitches are \(60, 59\)"),
        ({"pitches": (0, 128)}, "pitches are"),
        ({"velocities": (128,)}, "no velocity 128"),
    ],
)
def test_senseless_conditions_are_refused(conditions, message):
    with pytest.raises(UsageError, match=message):
        NoteFilter(**conditions)


def test_a_list_of_exclusions(tmp_path):
    path = tmp_path / "noise.txt"
    path.write_text("# mine\n\na-1\n  b-2.wav  # hiss\r\na-1\n")
    assert read_exclusions(path) == {"a-1", "b-2"}
    path.write_bytes(b"\xff\xfe\xff")
    for bad in (path, tmp_path / "missing.txt", tmp_path):
        with pytest.raises(InputError, match="cannot read the list"):
            read_exclusions(bad)
