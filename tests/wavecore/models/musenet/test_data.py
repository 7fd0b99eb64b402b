"""Pieces as tokens, windows of them, and their augmentation."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets.songs import Piece
from wavecore.errors import InputError
from wavecore.models.musenet import data
from wavecore.models.musenet.data import (
    Augmentation,
    TokenPiece,
    draw_begin,
    draw_window,
    draw_windows,
    piece_prefix,
    tokenize,
)
from wavecore.models.musenet.tokens import (
    INSTRUMENT_TOKENS,
    PIANO_VELOCITIES,
    START,
    STYLE_TOKENS,
    TEMPO_TOKENS,
    WAITS,
    Timeline,
    Vocabulary,
    decode,
    encode,
    tempo_bin,
)
from wavecore.symbolic.song import Event, Part, Song, Tempo

VOCABULARY = Vocabulary(("chords", "scale"))


def scale(n_notes, *, silence=0, style="scale", program=0):
    events = tuple(Event(silence + 24 * i, 60 + i % 12, 24, 72) for i in range(n_notes))
    return Piece(Song(48, (Part(events, program=program),), (Tempo(0, 600_000),), name="a"), style)


def one(n_notes=40, **options):
    return tokenize([scale(n_notes, **options)])[0]


def test_pieces_are_tokens_without_the_silence_before():
    first, second = tokenize([scale(5, silence=300), scale(3, program=125), scale(5)])
    np.testing.assert_array_equal(first.body, second.body)
    np.testing.assert_array_equal(second.body, encode(scale(5).song))
    assert first.body.dtype == np.int16 and second.beats_per_minute == pytest.approx(100) and first.style == "scale"
    with pytest.raises(InputError):
        tokenize([scale(3, program=125)])


def test_small_styles_and_long_pieces_are_drawn_more_often():
    lengths = ((800, "big"), (100, "big"), (100, "small"))
    pieces = [TokenPiece(np.zeros(length, np.int16), style, "", 100.0) for length, style in lengths]
    weights = data.sampling_weights(pieces)
    assert weights.sum() == pytest.approx(1) and weights[0] == pytest.approx(8 * weights[1])
    assert weights[:2].sum() / weights[2] == pytest.approx(3), "nine times the tokens, three times as often"


def test_tokens_per_second():
    assert data.tokens_per_second([one(400)]) == round(1200 / (400 * 0.3))
    assert data.tokens_per_second([TokenPiece(np.array([WAITS + 127]), "", "", 1.0)]) == 1


def test_the_beginning_is_drawn_more_often_and_every_position_can_be():
    rng = np.random.default_rng(0)
    begins = Counter(draw_begin(30, 20, rng) for _ in range(4_000))
    assert set(begins) == set(range(11))
    assert begins[0] / 4_000 == pytest.approx(11 / 21, abs=0.03)
    assert begins[7] / 4_000 == pytest.approx(1 / 21, abs=0.012)
    assert {draw_begin(5, 20, rng) for _ in range(50)} == {0}


def test_a_window_is_the_prefix_and_a_stretch_of_the_piece():
    piece, rng = one(), np.random.default_rng(1)
    body, timeline, begins = piece.body.astype(np.int64), Timeline.of(piece.body, piece.beats_per_minute), set()
    for _ in range(60):
        tokens, features, n_prefix = draw_window(piece, VOCABULARY, 20, rng)
        assert tokens[:4].tolist() == [STYLE_TOKENS + 1, TEMPO_TOKENS + tempo_bin(100), INSTRUMENT_TOKENS, START]
        assert n_prefix == 4 and len(tokens) == 21
        (begin,) = (
            i
            for i in range(len(body) - 16)
            if np.array_equal(body[i : i + 17], tokens[4:])
            and np.array_equal(timeline.window(i, i + 17, n_prefix=4), features)
        )
        begins.add(begin)
    assert 0 in begins and len(begins) > 15


def test_a_window_is_augmented_as_a_whole():
    piece, rng = one(), np.random.default_rng(2)
    original = draw_window(piece, VOCABULARY, 200, rng)[0][4:]
    moved, volumes, tempos, without_style = set(), set(), set(), 0
    for _ in range(80):
        tokens, features, n_prefix = draw_window(piece, VOCABULARY, 200, rng, Augmentation(3, 0.5))
        body = tokens[n_prefix:]
        notes = (body < WAITS) & (body >= 128)
        semitones = set((body % 128 - original % 128)[body < WAITS].tolist())
        levels = set((body // 128)[notes].tolist())
        assert len(body) == len(original) == 120 and len(semitones) == 1 and len(levels) == 1
        np.testing.assert_array_equal(body[body >= WAITS], original[body >= WAITS])
        moved |= semitones
        volumes |= levels
        tempos |= {token for token in tokens[:n_prefix].tolist() if TEMPO_TOKENS <= token < STYLE_TOKENS}
        without_style += STYLE_TOKENS + 1 not in tokens[:n_prefix]
        assert 40 * 0.3 * 8 / 1.1 - 1 <= features[-1, 0] <= 40 * 0.3 * 8 * 1.1 + 1
    assert moved == set(range(-3, 4)) and len(volumes) > 3 and len(tempos) > 1 and 2 <= without_style <= 18


def test_a_slower_piece_has_a_slower_tempo_token():
    for stretch in (0.91, 1.0, 1.1):
        assert piece_prefix(one(), VOCABULARY, stretch=stretch)[1] == TEMPO_TOKENS + tempo_bin(100 / stretch)


def test_windows_are_stacked():
    pieces = [one(60), one(2), one(60, style="chords", program=40)]
    windows = draw_windows(pieces, VOCABULARY, 30, np.random.default_rng(0))
    assert windows.tokens.shape == windows.targets.shape == windows.inside.shape == (3, 30)
    assert windows.features.shape == (3, 30, 4) and windows.share.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(windows.tokens[0, 1:], windows.targets[0, :-1])
    assert windows.inside[0].tolist() == [False] * 3 + [True] * 27
    assert windows.inside[1].tolist() == [False] * 3 + [True] * 6 + [False] * 21, "six tokens of two notes"
    assert windows.tokens[1, 3] == START and windows.targets[1, 3:9].tolist() == pieces[1].body.tolist()


def test_mixup_draws_a_share():
    windows = draw_windows([one()] * 200, VOCABULARY, 20, np.random.default_rng(0), Augmentation(0, 0.5))
    mixed = windows.share[windows.share < 1]
    assert 70 <= len(mixed) <= 130 and mixed.min() < 0.1 and mixed.max() > 0.9


NOTES = st.builds(Event, st.integers(0, 90), st.integers(50, 70), st.integers(1, 50), st.sampled_from(PIANO_VELOCITIES))
PARTS = st.builds(
    Part, st.lists(NOTES, min_size=1, max_size=8).map(tuple), st.just(""), st.sampled_from([0, 40, 33]), st.booleans()
)
PIECES = st.builds(Song, st.just(48), st.lists(PARTS, min_size=1, max_size=3).map(tuple))


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(PIECES, st.integers(-50, 57))
def test_transposed_tokens_are_those_of_the_transposed_piece(song, semitones):
    def moved(part):
        events = (replace(event, pitch=event.pitch + semitones) for event in part.events)
        return part if part.is_drum else replace(part, events=tuple(events))

    transposed = replace(song, parts=tuple(map(moved, song.parts)))
    np.testing.assert_array_equal(data.transpose(encode(song), semitones), encode(transposed))


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(PIECES, st.floats(0.3, 3))
def test_scaled_volumes_are_the_nearest_of_the_piano(song, factor):
    before, after = decode(encode(song)), decode(data.scale_volume(encode(song), factor))
    for part, original in zip(after.parts, before.parts, strict=True):
        for event, unscaled in zip(part.events, original.events, strict=True):
            exact = unscaled.velocity * factor
            if part.name == "piano":
                assert abs(event.velocity - exact) == min(abs(known - exact) for known in PIANO_VELOCITIES)
            else:
                assert event.velocity == 80
            assert replace(event, velocity=1) == replace(unscaled, velocity=1)


def test_the_range_of_transpositions_and_the_dtype():
    body = encode(Song(48, (Part((Event(0, 3, 5), Event(0, 120, 5))), Part((Event(0, 0, 1),), is_drum=True))))
    assert data.transposition_range(body) == (-3, 7) and data.transposition_range(body[:0]) == (-127, 127)
    assert data.transpose(body, 7).dtype == data.scale_volume(body, 1.3).dtype == np.int16
    np.testing.assert_array_equal(data.scale_volume(body, 1.0), body)
