"""Tokens and pieces: what the format keeps, that every sequence can be decoded, and where tokens lie in the music."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError, UsageError
from wavecore.models.musenet import tokens
from wavecore.models.musenet.tokens import DRUMS, GROUPS, SIZES, START, WAITS, Timeline, Vocabulary, decode, encode
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


def representable(song):
    """Return a piece as the format can hold it, note by note: one note at a time of an instrument and pitch."""
    notes = {}
    for part in song.regrid(48).parts:
        name = instrument_of(part)
        for event in part.events if name else ():
            velocity = event.velocity if name == "piano" else 80
            level = min(range(24, 121, 8), key=lambda known: (abs(known - velocity), -known))
            end = event.onset + 12 if name == "drums" else event.end
            before = notes.get((name, event.pitch, event.onset), (0, 0))
            notes[name, event.pitch, event.onset] = max(before[0], end), max(before[1], level)
    events = {}
    for (name, pitch, onset), (end, velocity) in notes.items():
        later = min((other[2] for other in notes if other[:2] == (name, pitch) and other[2] > onset), default=end)
        end = end if name == "drums" else min(end, later)
        events.setdefault(name, []).append(Event(onset, pitch, end - onset, velocity))
    names = [name for name in INSTRUMENTS if name in events]
    return tuple(Part(tuple(events[name]), name, PROGRAM_OF[name], name == "drums") for name in names)


def test_the_published_vocabulary():
    assert len(GROUPS) == 30 and (DRUMS, WAITS, START) == (3840, 3968, 4096)
    assert [name for name, velocity in GROUPS].count("piano") == 14
    assert Vocabulary().size == 4097 + 10 + 32 and Vocabulary(("bach", "pop")).size == 4141


def test_a_bar_by_hand():
    piano = Part((Event(0, 60, 480, 90), Event(0, 64, 240, 20), Event(480, 60, 960, 127)), program=3)
    others = Part((Event(960, 36, 1, 5),), is_drum=True), Part((Event(0, 55, 480, 3),), program=42)
    encoded = encode(Song(480, (piano, *others)))
    begin = [token("piano", 88, 60), token("piano", 24, 64), token("cello", 80, 55), wait(24), token("piano", 0, 64)]
    middle = [wait(24), token("piano", 0, 60), token("cello", 0, 55), token("piano", 120, 60)]
    end = [wait(48), token("drums", 0, 36), wait(48), token("piano", 0, 60)]
    assert encoded.tolist() == begin + middle + end and encoded.dtype == np.int16
    assert tokens.instruments_of(encoded) == ("piano", "cello", "drums")


def test_long_waits_are_several():
    encoded = encode(Song(48, (Part((Event(128 * 2 + 5, 60, 256),)),)))
    on, off, longest = token("piano", 88, 60), token("piano", 0, 60), wait(128)
    assert encoded.tolist() == [longest, longest, wait(5), on, longest, longest, off]


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(PIECES)
def test_all_that_the_format_can_hold_is_kept(song):
    encoded = encode(song)
    decoded = decode(encoded)
    assert decoded.parts == representable(song)
    np.testing.assert_array_equal(encode(decoded), encoded)
    assert decoded.tempos == decoded.meters == ()


@pytest.mark.slow
@pytest.mark.skipif(not SONGS.is_dir(), reason=f"there are no songs in {SONGS}")
@pytest.mark.parametrize("number", [1, 909])
def test_real_songs_come_back(number):
    (path,) = SONGS.glob(f"*{number:03d}.mid")
    song = midi.read(path)
    prefix = Vocabulary().prefix(beats_per_minute=tokens.mean_tempo(song))
    decoded = decode(np.concatenate([prefix, encode(song)]))
    assert decoded.parts == representable(song)
    # As long, within half a bin of the tempo.
    assert decoded.duration_s == pytest.approx(song.duration_s, rel=2 ** (1 / 16) - 1 + 1e-3)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4200), max_size=60))
@example([tokens.DRUMS, tokens.DRUMS])
def test_every_sequence_can_be_decoded_and_is_then_kept(numbers):
    decoded = decode(numbers)
    assert decode(encode(decoded)).parts == decoded.parts
    assert decoded.end <= max(int(tokens.wait_ticks(numbers).sum()), 0) + 12


def test_malformed_sequences_are_decoded_as_documented():
    on, off = token("flute", 80, 70), token("flute", 0, 70)

    def notes(*sequence):
        return [(e.onset, e.duration) for part in decode(sequence).parts for e in part.events]

    assert notes(off, wait(3), off) == [], "an end of nothing"
    assert notes(on, wait(3), on, wait(4), off) == [(0, 3), (3, 4)], "begun twice"
    assert notes(on, on, wait(4), off) == [(0, 4)]
    assert notes(wait(2), on, wait(5)) == [(2, 5)], "never ended"
    assert notes(on, off, wait(9)) == notes(wait(9), on) == [], "no duration"
    assert decode([on, wait(3)]).tempos == () and decode([]).parts == ()
    slow, fast = tokens.TEMPO_TOKENS, tokens.TEMPO_TOKENS + 8
    stray = decode([fast, on, tokens.STYLE_TOKENS + 99, wait(3), START, slow, tokens.INSTRUMENT_TOKENS])
    assert stray.tempos == (Tempo(0, 1_000_000),) and stray.n_notes == 1
    with pytest.raises(InputError, match="-1"):
        decode([on, -1])


def test_pieces_without_an_instrument_are_empty():
    noise = Part((Event(0, 60, 5),), program=125)
    for song in (Song(48, ()), Song(48, (noise,)), Song(48, (Part(()),))):
        assert encode(song).shape == (0,)


def test_prefixes():
    vocabulary = Vocabulary(("bach", "pop"))
    assert vocabulary.prefix().tolist() == [START]
    prefix = vocabulary.prefix(style="pop", beats_per_minute=60, instruments=["drums", "violin"])
    assert prefix.tolist() == [4140, 4107 + 8, 4097 + 1, 4097 + 9, START]
    for options, message in (
        ({"style": "jazz"}, "'jazz'.*bach, pop"),
        ({"instruments": ["oboe"]}, "'oboe'"),
        ({"beats_per_minute": 0}, "0 beats"),
    ):
        with pytest.raises(UsageError, match=message):
            vocabulary.prefix(**options)
    for styles in (("a", "a"), ("",), (" ",)):
        with pytest.raises(UsageError, match="styles"):
            Vocabulary(styles)


@settings(deadline=None)
@given(st.floats(30, 440))
def test_a_tempo_is_kept_to_half_a_bin(bpm):
    near = tokens.bin_tempo(tokens.tempo_bin(bpm))
    assert abs(np.log2(near / bpm)) <= 1 / 16 + 1e-9
    assert tokens.tempo_bin(60e6 / round(60e6 / near)) == tokens.tempo_bin(bpm), "also through microseconds"


def test_tempos_beyond_the_ends_and_invalid_ones():
    assert (tokens.tempo_bin(1), tokens.tempo_bin(30), tokens.tempo_bin(60), tokens.tempo_bin(9999)) == (0, 0, 8, 31)
    for bad in (0, -3, float("nan"), float("inf")):
        with pytest.raises(UsageError, match=str(bad)):
            tokens.tempo_bin(bad)


def test_the_mean_tempo_keeps_the_duration():
    song = Song(10, (Part((Event(0, 60, 40),)),), (Tempo(0, 500_000), Tempo(20, 1_000_000)), (Meter(0, 3, 4),))
    assert song.duration_s == 3.0 and tokens.mean_tempo(song) == pytest.approx(80)
    assert tokens.mean_tempo(replace(song, parts=())) == 120 and tokens.mean_tempo(Song(48, ())) == 120


def test_properties_of_tokens():
    notes = [(name, velocity) for name in ("piano", "harp") for velocity in (0, 24 if name == "piano" else 80)]
    line = np.array([*(token(*note, 5) for note in notes), token("drums", 0, 5), wait(1), wait(128), START, 4139])
    assert tokens.is_onset(line).tolist() == [False, True, False, True, True, False, False, False, False]
    assert tokens.wait_ticks(line).tolist() == [0] * 5 + [1, 128, 0, 0]
    assert tokens.instrument_numbers(line).tolist() == [0, 0, 8, 8, 9, -1, -1, -1, -1]
    assert tokens.instruments_of(line[[0, 2]]) == ()


ON, OFF, DRUM = 128 * 5 + 60, 60, DRUMS + 3


def test_features_by_hand():
    body = np.array([ON, OFF, ON, DRUM, wait(24), ON, wait(128), wait(40), OFF, ON])
    time, chord, part, countdown = Timeline.of(body, 60.0).window(0, len(body), n_prefix=2).T.tolist()
    ticks = [0, 0] + [0] * 4 + [24, 24, 152, 192, 192, 192]
    assert time == [8 * tick // 48 for tick in ticks]
    assert chord == [0, 0, 1, 0, 2, 3, 0, 1, 0, 0, 0, 1]
    assert part == [min(127, 128 * tick // 192) for tick in ticks] and countdown == [127 - n for n in part]


def test_time_counts_from_the_window_and_alone_is_stretched():
    timeline = Timeline.of(np.array([wait(48), ON, wait(48), ON, wait(48)]), 120.0)
    window, stretched = (timeline.window(2, 5, n_prefix=1, stretch=stretch) for stretch in (1.0, 1.5))
    assert window[:, :3].T.tolist() == [[0, 4, 4, 8], [0, 0, 1, 0], [42, 85, 85, 127]]
    assert stretched[:, 0].tolist() == [0, 6, 6, 12]
    np.testing.assert_array_equal(stretched[:, 1:], window[:, 1:])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([ON, OFF, DRUM, wait(1), wait(7), wait(128)]), min_size=1, max_size=40), st.data())
def test_a_piece_that_grows_has_the_features_of_the_whole_one(body, data):
    whole, grown = Timeline.of(np.array(body), 90.0), Timeline(int(tokens.wait_ticks(body).sum()), 90.0)
    begin, rows = data.draw(st.integers(0, len(body) - 1)), []
    for number, one in enumerate(body):
        grown.extend([one])
        if number >= begin:
            rows.append(grown.rows(number, number + 1, begin=begin)[0])
    np.testing.assert_array_equal(rows, whole.rows(begin, len(body), begin=begin))
    assert len(grown) == len(whole) == len(body) and grown.tick == whole.tick


def test_features_end_where_the_tables_do():
    body = np.array([ON] * 30 + [wait(128)] * 100)
    features = Timeline.of(body, 10.0).window(0, len(body))
    assert (features.max(axis=0) == np.array(list(SIZES.values())) - 1).all() and features.min() == 0
    beyond = Timeline(10, 100.0)
    beyond.extend([wait(128)])
    assert beyond.rows(0, 1, begin=0)[0, 2:].tolist() == [127, 0]
    assert Timeline.of(np.array([ON, DRUM]), 100.0).window(0, 2)[:, 2].tolist() == [0, 0], "a piece of no duration"
    assert Timeline.of(np.array([], int), 100.0).window(0, 0, n_prefix=1).tolist() == [[0, 0, 0, 127]]


def test_invalid_timelines():
    for total, tempo in ((-1, 100.0), (4, 0.0), (4, float("inf")), (4, float("nan"))):
        with pytest.raises(UsageError, match=str(tempo)):
            Timeline(total, tempo)
