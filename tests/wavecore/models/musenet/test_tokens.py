"""Tokens and pieces: nothing is lost but what the format cannot say, and every sequence has a meaning."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError, UsageError
from wavecore.models.musenet import tokens
from wavecore.models.musenet.tokens import (
    DRUMS,
    GROUPS,
    START,
    WAITS,
    Vocabulary,
    bin_tempo,
    decode,
    encode,
    tempo_bin,
)
from wavecore.symbolic import midi
from wavecore.symbolic.instruments import INSTRUMENTS, PROGRAM_OF, instrument_of
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

SONGS = Path(__file__).resolve().parents[5] / "shared" / "data" / "pop909"
EVENTS = st.builds(
    Event, st.integers(0, 700), st.sampled_from([0, 60, 61, 127]), st.integers(1, 300), st.integers(1, 127)
)
PARTS = st.builds(Part, st.lists(EVENTS, max_size=12).map(tuple), st.just("x"), st.integers(0, 127), st.booleans())
PIECES = st.builds(Song, st.sampled_from([48, 480, 7]), st.lists(PARTS, max_size=3).map(tuple))


def token(name, velocity, pitch):
    return DRUMS + pitch if name == "drums" else 128 * GROUPS.index((name, velocity)) + pitch


def wait(ticks):
    return WAITS + ticks - 1


def as_said(song):
    """What a piece is in the words of the format: one note after the other at each instrument and pitch, told note
    by note."""
    said = {}
    for part in song.regrid(48).parts:
        who = instrument_of(part)
        for event in part.events if who else ():
            velocity = event.velocity if who == "piano" else 80
            level = min(range(24, 121, 8), key=lambda known: (abs(known - velocity), -known))
            end = event.onset + 12 if who == "drums" else event.end
            before = said.get((who, event.pitch, event.onset), (0, 0))
            said[who, event.pitch, event.onset] = max(before[0], end), max(before[1], level)
    found = {}
    for (who, pitch, onset), (end, velocity) in said.items():
        later = min((other[2] for other in said if other[:2] == (who, pitch) and other[2] > onset), default=end)
        end = end if who == "drums" else min(end, later)
        found.setdefault(who, []).append(Event(onset, pitch, end - onset, velocity))
    return tuple(Part(tuple(found[who]), who, PROGRAM_OF[who], who == "drums") for who in INSTRUMENTS if who in found)


def test_the_published_vocabulary():
    assert len(GROUPS) == 30 and (DRUMS, WAITS, START) == (3840, 3968, 4096)
    assert [name for name, velocity in GROUPS].count("piano") == 14
    assert Vocabulary().size == 4097 + 10 + 32 and Vocabulary(("bach", "pop")).size == 4141
    assert (Vocabulary(["bach"]).styles) == ("bach",)


def test_a_bar_by_hand():
    piano = Part((Event(0, 60, 480, 90), Event(0, 64, 240, 20), Event(480, 60, 960, 127)), program=3)
    others = Part((Event(960, 36, 1, 5),), is_drum=True), Part((Event(0, 55, 480, 3),), program=42)
    found = encode(Song(480, (piano, *others)))
    wanted = [
        token("piano", 88, 60),
        token("piano", 24, 64),
        token("cello", 80, 55),
        wait(24),
        token("piano", 0, 64),
        wait(24),
        token("piano", 0, 60),
        token("cello", 0, 55),
        token("piano", 120, 60),
        wait(48),
        token("drums", 0, 36),
        wait(48),
        token("piano", 0, 60),
    ]
    assert found.tolist() == wanted and found.dtype == np.int16
    assert tokens.players(found) == ("piano", "cello", "drums")


def test_long_waits_are_several():
    found = encode(Song(48, (Part((Event(128 * 2 + 5, 60, 256),)),)))
    assert found.tolist() == [
        wait(128),
        wait(128),
        wait(5),
        token("piano", 88, 60),
        wait(128),
        wait(128),
        token("piano", 0, 60),
    ]


@settings(deadline=None)
@given(PIECES)
def test_nothing_is_lost_but_what_cannot_be_said(song):
    found = encode(song)
    heard = decode(found)
    assert heard.parts == as_said(song)
    np.testing.assert_array_equal(encode(heard), found)
    assert heard.tempos == heard.meters == ()


@pytest.mark.skipif(not SONGS.is_dir(), reason=f"there are no songs in {SONGS}")
@pytest.mark.parametrize("number", [1, 300, 909])
def test_real_songs_come_back(number):
    (path,) = SONGS.glob(f"*{number:03d}.mid")
    song = midi.read(path)
    found = encode(song)
    heard = decode(np.concatenate([Vocabulary().prefix(beats_per_minute=tokens.mean_tempo(song)), found]))
    assert heard.parts == as_said(song)
    assert heard.duration_s == pytest.approx(song.duration_s, rel=2 ** (1 / 16) - 1 + 1e-3), (
        "as long, within half a bin of the tempo"
    )


@settings(deadline=None)
@given(st.lists(st.integers(0, 4200), max_size=60))
@example([tokens.DRUMS, tokens.DRUMS])
def test_every_sequence_has_a_meaning_that_is_kept(numbers):
    heard = decode(numbers)
    again = encode(heard)
    assert decode(again).parts == heard.parts
    assert heard.end <= max(int(tokens.waits(np.array(numbers, int)).sum()), 0) + 12


def test_what_is_malformed_is_read_as_documented():
    on, off = token("flute", 80, 70), token("flute", 0, 70)

    def notes(*sequence):
        return [(e.onset, e.duration) for part in decode(sequence).parts for e in part.events]

    assert notes(off, wait(3), off) == [], "an end of nothing"
    assert notes(on, wait(3), on, wait(4), off) == [(0, 3), (3, 4)], "begun twice"
    assert notes(on, on, wait(4), off) == [(0, 4)]
    assert notes(wait(2), on, wait(5)) == [(2, 5)], "never ended"
    assert notes(on, off, wait(9)) == notes(wait(9), on) == [], "no time"
    assert decode([on, wait(3)]).tempos == () and decode([]).parts == ()
    stray = decode(
        [
            tokens.TEMPO_TOKENS + 8,
            on,
            tokens.STYLE_TOKENS + 99,
            wait(3),
            START,
            tokens.TEMPO_TOKENS,
            tokens.INSTRUMENT_TOKENS,
        ]
    )
    assert stray.tempos == (Tempo(0, 1_000_000),) and stray.n_notes == 1
    with pytest.raises(InputError, match="-1 is no token"):
        decode([on, -1])


def test_pieces_without_a_player_are_empty():
    noise = Part((Event(0, 60, 5),), program=125)
    for song in (Song(48, ()), Song(48, (noise,)), Song(48, (Part(()),))):
        assert encode(song).shape == (0,) and decode(encode(song)).parts == ()


def test_the_prefix_says_what_is_asked_for():
    vocabulary = Vocabulary(("bach", "pop"))
    assert vocabulary.prefix().tolist() == [START]
    found = vocabulary.prefix(style="pop", beats_per_minute=60, instruments=["drums", "violin"]).tolist()
    assert found == [4140, 4107 + 8, 4097 + 1, 4097 + 9, START]
    for options, message in (
        ({"style": "jazz"}, "the model knows bach, pop"),
        ({"instruments": ["oboe"]}, "'oboe'"),
        ({"beats_per_minute": 0}, "positive"),
    ):
        with pytest.raises(UsageError, match=message):
            vocabulary.prefix(**options)
    with pytest.raises(UsageError, match="knows none"):
        Vocabulary().prefix(style="pop")
    for styles in (("a", "a"), ("",), (" ",)):
        with pytest.raises(UsageError, match="names that differ"):
            Vocabulary(styles)


@settings(deadline=None)
@given(st.floats(30, 440))
def test_a_tempo_is_kept_to_half_a_bin(bpm):
    near = bin_tempo(tempo_bin(bpm))
    assert abs(np.log2(near / bpm)) <= 1 / 16 + 1e-9
    assert tempo_bin(60e6 / round(60e6 / near)) == tempo_bin(bpm), "also through microseconds"


def test_tempos_beyond_the_ends_and_those_that_are_none():
    assert (tempo_bin(1), tempo_bin(30), tempo_bin(60), tempo_bin(9999)) == (0, 0, 8, 31)
    for bad in (0, -3, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="must be positive"):
            tempo_bin(bad)


def test_the_mean_tempo_makes_a_piece_as_long():
    song = Song(10, (Part((Event(0, 60, 40),)),), (Tempo(0, 500_000), Tempo(20, 1_000_000)), (Meter(0, 3, 4),))
    assert song.duration_s == 3.0 and tokens.mean_tempo(song) == pytest.approx(80)
    assert tokens.mean_tempo(replace(song, parts=())) == 120 and tokens.mean_tempo(Song(48, ())) == 120


def test_what_tokens_are():
    line = np.array(
        [
            token("piano", 0, 5),
            token("piano", 24, 5),
            token("harp", 0, 5),
            token("harp", 80, 5),
            token("drums", 0, 5),
            wait(1),
            wait(128),
            START,
            4139,
        ]
    )
    assert tokens.begins_note(line).tolist() == [False, True, False, True, True, False, False, False, False]
    assert tokens.waits(line).tolist() == [0] * 5 + [1, 128, 0, 0]
    assert tokens.player(line).tolist() == [0, 0, 8, 8, 9, -1, -1, -1, -1]
    assert tokens.players(line[[0, 2]]) == ()
