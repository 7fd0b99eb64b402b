"""Pieces in tokens, and windows of them: what is cut, what is changed, what counts."""

from collections import Counter

import numpy as np
import pytest

from wavecore.datasets.songs import Piece
from wavecore.errors import InputError
from wavecore.models.musenet import data as musenet_crops
from wavecore.models.musenet.data import Changes, TokenPiece, draw_begin, odds, prefix_of, prepare, stack, window
from wavecore.models.musenet.features import measured
from wavecore.models.musenet.tokens import (
    INSTRUMENT_TOKENS,
    START,
    STYLE_TOKENS,
    TEMPO_TOKENS,
    WAITS,
    Vocabulary,
    encode,
    tempo_bin,
)
from wavecore.symbolic.song import Event, Part, Song, Tempo

VOCABULARY = Vocabulary(("chords", "scale"))


def scale(n_notes, *, silence=0, style="scale", program=0, name="a"):
    events = tuple(Event(silence + 24 * i, 60 + i % 12, 24, 72) for i in range(n_notes))
    return Piece(Song(48, (Part(events, program=program),), (Tempo(0, 600_000),), name=name), style)


def one(n_notes=40, **options):
    return prepare([scale(n_notes, **options)])[0]


def test_pieces_are_tokens_without_the_silence_before():
    first, second = prepare([scale(5, silence=300), scale(3, program=125), scale(5)])
    np.testing.assert_array_equal(first.body, second.body)
    np.testing.assert_array_equal(second.body, encode(scale(5).song))
    assert first.body.dtype == np.int16 and second.beats_per_minute == pytest.approx(100) and first.style == "scale"
    with pytest.raises(InputError, match="nothing can be learnt"):
        prepare([scale(3, program=125)])


def test_small_styles_are_heard_and_long_pieces_more_often():
    pieces = [
        TokenPiece(np.zeros(length, np.int16), style, "", 100.0)
        for length, style in ((800, "big"), (100, "big"), (100, "small"))
    ]
    found = odds(pieces)
    assert found.sum() == pytest.approx(1) and found[0] == pytest.approx(8 * found[1])
    assert found[:2].sum() / found[2] == pytest.approx(3), "nine times the tokens, three times as often"


def test_tokens_in_a_second():
    assert musenet_crops.tokens_per_second([one(400)]) == round(1200 / (400 * 0.3))
    assert musenet_crops.tokens_per_second([TokenPiece(np.array([WAITS + 127]), "", "", 1.0)]) == 1


def test_the_beginning_is_drawn_more_often_and_every_place_can_be():
    rng = np.random.default_rng(0)
    begins = Counter(draw_begin(30, 20, rng) for _ in range(4_000))
    assert set(begins) == set(range(11))
    assert begins[0] / 4_000 == pytest.approx(11 / 21, abs=0.03) and begins[7] / 4_000 == pytest.approx(
        1 / 21, abs=0.012
    )
    assert {draw_begin(5, 20, rng) for _ in range(50)} == {0}


def test_a_window_is_the_prefix_and_a_stretch_of_the_piece():
    piece, rng = one(), np.random.default_rng(1)
    body, places = piece.body.astype(np.int64), set()
    for _ in range(60):
        tokens, features, n_prefix = window(piece, VOCABULARY, 20, rng)
        assert (
            tokens[:n_prefix].tolist() == [STYLE_TOKENS + 1, TEMPO_TOKENS + tempo_bin(100), INSTRUMENT_TOKENS, START]
            and len(tokens) == 21
        )
        begin = next(i for i in range(len(body)) if np.array_equal(body[i : i + 17], tokens[4:]) and np.array_equal(
            measured(piece.body, piece.beats_per_minute).window(i, i + 17, n_prefix=4), features))  # fmt: skip
        places.add(begin)
    assert 0 in places and len(places) > 15


def test_what_is_changed_is_changed_together():
    piece, rng = one(), np.random.default_rng(2)
    plain = [window(piece, VOCABULARY, 200, rng)[0]]
    seen = {"moves": set(), "volumes": set(), "tempos": set(), "unsaid": 0}
    for _ in range(80):
        tokens, features, n_prefix = window(piece, VOCABULARY, 200, rng, Changes(3, 0.5))
        body, told = tokens[n_prefix:], plain[0][4:]
        notes = (body < WAITS) & (body >= 128)
        moves = set((body % 128 - told % 128)[body < WAITS].tolist())
        levels = set((body // 128)[notes].tolist())
        assert len(body) == len(told) == 120 and len(moves) == 1 and len(levels) == 1
        np.testing.assert_array_equal(body[body >= WAITS], told[body >= WAITS])
        seen["moves"] |= moves
        seen["volumes"] |= levels
        seen["tempos"] |= {token for token in tokens[:n_prefix].tolist() if TEMPO_TOKENS <= token < STYLE_TOKENS}
        seen["unsaid"] += STYLE_TOKENS + 1 not in tokens[:n_prefix]
        assert 40 * 0.3 * 8 / 1.1 - 1 <= features[-1, 0] <= 40 * 0.3 * 8 * 1.1 + 1
    assert (
        seen["moves"] == set(range(-3, 4))
        and len(seen["volumes"]) > 3
        and len(seen["tempos"]) > 1
        and 2 <= seen["unsaid"] <= 18
    )


def test_a_slower_piece_has_a_slower_tempo_token():
    piece = one()
    for slower in (0.91, 1.0, 1.1):
        assert prefix_of(piece, VOCABULARY, stretch=slower)[1] == TEMPO_TOKENS + tempo_bin(100 / slower)


def test_windows_are_stacked():
    pieces = [one(60), one(2), one(60, style="chords", program=40)]
    windows = stack(pieces, VOCABULARY, 30, np.random.default_rng(0))
    assert windows.tokens.shape == windows.targets.shape == windows.inside.shape == (
        3,
        30,
    ) and windows.features.shape == (3, 30, 4)
    assert windows.share.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(windows.tokens[0, 1:], windows.targets[0, :-1])
    assert windows.inside[0].tolist() == [False] * 3 + [True] * 27
    assert windows.inside[1].tolist() == [False] * 3 + [True] * 6 + [False] * 21, "six tokens of two notes"
    assert windows.tokens[1, 3] == START and windows.targets[1, 3:9].tolist() == pieces[1].body.tolist()


def test_mixup_draws_a_share():
    windows = stack([one()] * 200, VOCABULARY, 20, np.random.default_rng(0), Changes(0, 0.5))
    share = windows.share.numpy()
    mixed = share[share < 1]
    assert 70 <= len(mixed) <= 130 and mixed.min() < 0.1 and mixed.max() > 0.9
    assert stack([one()], VOCABULARY, 20, np.random.default_rng(0), Changes(0, 0.0)).share.tolist() == [1]
