from __future__ import annotations

import json

import pytest

from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.errors import InputError

# As it is published, but for the order of the keys.
PUBLISHED = {
    "note": 201034, "note_str": "bass_synthetic_033-022-050", "instrument": 417, "pitch": 22, "velocity": 50,
    "instrument_str": "bass_synthetic_033", "sample_rate": 16000, "qualities": [0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    "qualities_str": ["dark"], "instrument_family": 0, "instrument_family_str": "bass",
    "instrument_source": 2, "instrument_source_str": "synthetic",
}  # fmt: skip


def test_a_published_entry_comes_back_as_it_was():
    note = nsynth_note.parse(PUBLISHED)
    assert note.qualities == (0, 1, 0, 0, 0, 0, 0, 0, 0, 0) and note.qualities_str == ("dark",)
    assert json.loads(json.dumps(note.document())) == PUBLISHED
    assert nsynth_note.parse(PUBLISHED | {"more": 1}) == note


def test_names_are_made_in_the_published_way():
    note = nsynth_note.make(
        note=201034, instrument=417, number=33, family="bass", source="synthetic", pitch=22, velocity=50,
        qualities=(0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    )  # fmt: skip
    assert note.document() == PUBLISHED


@pytest.mark.parametrize("key", list(PUBLISHED))
def test_every_key_is_needed(key):
    entry = {name: value for name, value in PUBLISHED.items() if name != key}
    with pytest.raises(InputError, match=f"has no {key}"):
        nsynth_note.parse(entry)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pitch": 128}, "pitch is 128"),
        ({"velocity": -1}, "velocity is -1"),
        ({"pitch": 60.0}, "pitch is 60.0"),
        ({"pitch": True}, "pitch is True"),
        ({"pitch": [60]}, r"pitch is \[60\]"),
        ({"note_str": 3}, "note_str is 3"),
        ({"note_str": "../../etc/passwd"}, "cannot be a file name"),
        ({"note_str": "a\\b"}, "cannot be a file name"),
        ({"note_str": ".hidden"}, "cannot be a file name"),
        ({"note_str": ""}, "cannot be a file name"),
        ({"sample_rate": 0}, "rate below 1"),
        ({"note": -1}, "numbers below 0"),
        ({"qualities": 5}, "qualities is 5"),
        ({"qualities": [0, 1]}, "wanted 10 bits"),
        ({"qualities": [0, 2, 0, 0, 0, 0, 0, 0, 0, 0]}, "wanted 10 bits"),
        ({"qualities_str": []}, "are not the bits"),
        ({"qualities_str": ["bright"]}, "are not the bits"),
        ({"instrument_family": 1}, "instrument_family 1 is not 'bass'"),
        ({"instrument_family": 11, "instrument_family_str": "kazoo"}, "11 is not 'kazoo'"),
        ({"instrument_source_str": "acoustic"}, "instrument_source 2 is not 'acoustic'"),
    ],
)
def test_a_broken_entry_is_refused_by_name(change, message):
    with pytest.raises(InputError, match=message):
        nsynth_note.parse(PUBLISHED | change, where="examples.json")


def test_what_is_no_entry_is_refused():
    with pytest.raises(InputError, match=r"a\.json holds 'x+\.\.\. where a note"):
        nsynth_note.parse("x" * 100, where="a.json")
    with pytest.raises(InputError, match="no 'kazoo'"):
        nsynth_note.make(note=0, instrument=0, number=0, family="kazoo", source="acoustic", pitch=1, velocity=1)


def test_the_published_numbers():
    assert nsynth_note.FAMILIES.index("synth_lead") == 9 and len(nsynth_note.FAMILIES) == 11
    assert nsynth_note.QUALITIES[5:] == (
        "multiphonic", "nonlinear_env", "percussive", "reverb", "tempo-synced",
    )  # fmt: skip
