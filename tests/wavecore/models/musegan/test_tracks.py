"""Which parts of a piece a track takes."""

import pytest

from wavecore.errors import InputError, UsageError
from wavecore.models.musegan.tracks import DRUMS, FAMILIES, Track, find_tracks, parts_of
from wavecore.symbolic.song import Event, Part, Song

NOTE = (Event(0, 60, 4),)
LEAD, BASS, PAD, KIT, HARP = (
    Part(NOTE, "Lead: one", 65), Part(NOTE, "low", 33), Part(NOTE, "", 50), Part(NOTE, "kit", 33, True), Part(NOTE, "LOW ", 46),
)  # fmt: skip
SONG = Song(4, (LEAD, BASS, PAD, KIT, HARP))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("low", [BASS, HARP]),
        ("Low", [BASS, HARP]),
        ("lead: one", [LEAD]),
        ("nobody", []),
        ("family:bass", [BASS]),
        ("family:drums", [KIT]),
        ("family:strings+ensemble", [PAD, HARP]),
        ("family:brass", []),
        ("part:0", [LEAD]),
        ("part:4", [HARP]),
        ("part:5", []),
    ],
)
def test_parts_are_found(name, parts):
    assert parts_of(SONG, name) == parts


def test_every_program_has_one_family():
    for program in range(128):
        song = Song(4, (Part(NOTE, "x", program),))
        assert [family for family in (*FAMILIES, DRUMS) if parts_of(song, f"family:{family}")] == [
            FAMILIES[program // 8]
        ]


def test_labels_are_names_without_their_kind():
    assert [Track(name).label for name in ("low", "family:bass", "lead: one", "part:3")] == [
        "low",
        "bass",
        "lead: one",
        "part:3",
    ]
    assert Track("low", 33).to_dict() == {"name": "low", "program": 33, "is_drum": False}


def test_tracks_are_played_as_most_pieces_have_them():
    other = Song(4, (Part(NOTE, "low", 35), Part((), "low", 99), Part(NOTE, "kit", 0, True)))
    found = find_tracks([SONG, other, other], ["low", "family:drums"])
    assert found == (Track("low", 35), Track("family:drums", 0, True))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Track(" "), UsageError, "empty name"),
        (lambda: Track("family:harps"), UsageError, "no family 'harps'"),
        (lambda: Track("family:bass+"), UsageError, "no family ''"),
        (lambda: Track("part:one"), UsageError, "counted from 0"),
        (lambda: Track("low", 128), UsageError, "program 128"),
        (lambda: find_tracks([SONG], ["alto"]), InputError, "no piece has a part 'alto'; parts: Lead: one"),
        (lambda: find_tracks([Song(4, (PAD,))], ["alto"]), InputError, "none that has a name"),
        (lambda: find_tracks([SONG], ["low", "low"]), UsageError, "one part twice"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
