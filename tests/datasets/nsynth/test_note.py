import json

import pytest

from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.datasets.nsynth.note import NoteFilter, read_exclusions
from wavecore.errors import InputError, UsageError

# As it is published, but for the order of the keys.
PUBLISHED = {
    "note": 201034,
    "note_str": "bass_synthetic_033-022-050",
    "instrument": 417,
    "instrument_str": "bass_synthetic_033",
    "pitch": 22,
    "velocity": 50,
    "sample_rate": 16000,
    "qualities": [0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    "qualities_str": ["dark"],
    "instrument_family": 0,
    "instrument_family_str": "bass",
    "instrument_source": 2,
    "instrument_source_str": "synthetic",
}


def test_a_published_entry_is_kept_and_made():
    note = nsynth_note.parse(PUBLISHED)
    assert note.qualities == (0, 1, 0, 0, 0, 0, 0, 0, 0, 0) and note.qualities_str == ("dark",)
    assert json.loads(json.dumps(note.document())) == PUBLISHED
    assert nsynth_note.parse(PUBLISHED | {"more": 1}) == note
    names = {"number": 33, "family": "bass", "source": "synthetic", "pitch": 22, "velocity": 50}
    assert nsynth_note.make(note=201034, instrument=417, qualities=note.qualities, **names) == note


@pytest.mark.parametrize("key", list(PUBLISHED))
def test_every_key_is_required(key):
    entry = {name: value for name, value in PUBLISHED.items() if name != key}
    with pytest.raises(InputError, match=f"no {key}"):
        nsynth_note.parse(entry)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"pitch": 128}, "pitch is 128"),
        ({"velocity": -1}, "velocity is -1"),
        ({"pitch": 60.0}, "pitch is 60.0"),
        ({"pitch": True}, "pitch is True"),
        ({"pitch": [60]}, r"pitch is \[60\]"),
        ({"note_str": 3}, "note_str is 3"),
        ({"note_str": "../../etc/passwd"}, "file name"),
        ({"note_str": "a\\b"}, "file name"),
        ({"note_str": ".hidden"}, "file name"),
        ({"note_str": ""}, "file name"),
        ({"sample_rate": 0}, "sample_rate 0"),
        ({"note": -1}, "note -1"),
        ({"qualities": 5}, "qualities is 5"),
        ({"qualities": [0, 1]}, r"\[0, 1\]"),
        ({"qualities": [0, 2, 0, 0, 0, 0, 0, 0, 0, 0]}, r"\[0, 2, "),
        ({"qualities_str": []}, r"\['dark'\]"),
        ({"qualities_str": ["bright"]}, r"\['bright'\]"),
        ({"instrument_family": 1}, "instrument_family 1 is not 'bass'"),
        ({"instrument_family": 11, "instrument_family_str": "kazoo"}, "11 is not 'kazoo'"),
        ({"instrument_source_str": "acoustic"}, "instrument_source 2 is not 'acoustic'"),
    ],
)
def test_a_damaged_entry_is_refused_by_name(change, fact):
    with pytest.raises(InputError, match=rf"examples\.json.*{fact}"):
        nsynth_note.parse(PUBLISHED | change, where="examples.json")


def test_other_values_are_refused():
    with pytest.raises(InputError, match=r"a\.json.*'x+\.\.\."):
        nsynth_note.parse("x" * 100, where="a.json")
    with pytest.raises(InputError, match="'kazoo'"):
        nsynth_note.make(note=0, instrument=0, number=0, family="kazoo", source="acoustic", pitch=1, velocity=1)


def test_the_order_of_the_published_names():
    assert nsynth_note.FAMILIES.index("synth_lead") == 9 and len(nsynth_note.FAMILIES) == 11
    assert nsynth_note.QUALITIES[5:] == ("multiphonic", "nonlinear_env", "percussive", "reverb", "tempo-synced")


def test_examples_are_sorted_by_name(items):
    entries = json.loads(nsynth_note.examples_text(note for note, _ in reversed(items)))
    assert list(entries) == [note.note_str for note, _ in items]
    assert [nsynth_note.parse(entry) for entry in entries.values()] == [note for note, _ in items]


def accepted(items, **conditions) -> list[str]:
    return [note.note_str for note, _ in items if NoteFilter(**conditions).accepts(note)]


def test_every_condition_of_a_filter(items):
    names = [note.note_str for note, _ in items]
    assert accepted(items) == names
    assert accepted(items, families=("flute", "bass")) == names[:4]
    assert accepted(items, sources=("synthetic",)) == names[4:]
    assert accepted(items, pitches=(60, 60)) == names[1::2]
    assert accepted(items, pitches=(47, 59)) == names[0::2]
    assert accepted(items, velocities=(25, 100)) == names and accepted(items, velocities=(25,)) == []
    assert accepted(items, exclude=frozenset(names[1:])) == names[:1]
    assert accepted(items, families=()) == []


def test_all_qualities_of_a_filter_are_required(items):
    note = next(note for note, _ in items if len(note.qualities_str) >= 2)
    assert note.note_str in accepted(items, qualities=note.qualities_str[:2])
    missing = next(name for name in ("bright", "dark", "reverb", "percussive") if name not in note.qualities_str)
    assert note.note_str not in accepted(items, qualities=(note.qualities_str[0], missing))


@pytest.mark.parametrize(
    ("conditions", "fact"),
    [
        ({"families": ("kazoo",)}, "families.*'kazoo'"),
        ({"sources": ("flute",)}, "sources.*'flute'.* acoustic"),
        ({"qualities": ("loud",)}, "qualities.*'loud'"),
        ({"pitches": (60, 59)}, r"\(60, 59\)"),
        ({"pitches": (0, 128)}, r"\(0, 128\)"),
        ({"velocities": (128,)}, "128"),
    ],
)
def test_impossible_conditions_are_refused(conditions, fact):
    with pytest.raises(UsageError, match=fact):
        NoteFilter(**conditions)


def test_a_list_of_exclusions(tmp_path):
    path = tmp_path / "noise.txt"
    path.write_text("# mine\n\na-1\n  b-2.wav  # hiss\r\na-1\n")
    assert read_exclusions(path) == {"a-1", "b-2"}
    path.write_bytes(b"\xff\xfe\xff")
    for bad in (path, tmp_path / "missing.txt", tmp_path):
        with pytest.raises(InputError, match=str(bad)):
            read_exclusions(bad)
