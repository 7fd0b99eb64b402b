"""Where tokens lie in the music: by hand, and the same for a piece that grows as for a whole one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.models.musenet.features import SIZES, Timeline, measured
from wavecore.models.musenet.tokens import DRUMS, WAITS

ON, OFF, DRUM = 128 * 5 + 60, 60, DRUMS + 3


def wait(ticks):
    return WAITS + ticks - 1


def test_a_piece_by_hand():
    body = np.array([ON, OFF, ON, DRUM, wait(24), ON, wait(128), wait(40), OFF, ON])
    found = measured(body, 60.0).window(0, len(body), n_prefix=2)
    time, chord, part, countdown = found.T.tolist()
    ticks = [0, 0] + [0] * 4 + [24, 24, 152, 192, 192, 192]
    assert time == [8 * tick // 48 for tick in ticks]
    assert chord == [0, 0, 1, 0, 2, 3, 0, 1, 0, 0, 0, 1]
    assert part == [min(127, 128 * tick // 192) for tick in ticks] and countdown == [127 - place for place in part]


def test_time_counts_from_the_window_and_is_stretched_alone():
    body = np.array([wait(48), ON, wait(48), ON, wait(48)])
    line = measured(body, 120.0)
    window = line.window(2, 5, n_prefix=1)
    assert window[:, 0].tolist() == [0, 4, 4, 8] and window[:, 1].tolist() == [0, 0, 1, 0]
    assert window[:, 2].tolist() == [42, 85, 85, 127]
    stretched = line.window(2, 5, n_prefix=1, stretch=1.5)
    assert stretched[:, 0].tolist() == [0, 6, 6, 12]
    np.testing.assert_array_equal(stretched[:, 1:], window[:, 1:])


@settings(deadline=None)
@given(st.lists(st.sampled_from([ON, OFF, DRUM, wait(1), wait(7), wait(128)]), min_size=1, max_size=40), st.data())
def test_a_piece_that_grows_is_measured_like_a_whole_one(body, data):
    whole, grown = measured(np.array(body), 90.0), Timeline(sum(w - WAITS + 1 for w in body if w >= WAITS), 90.0)
    begin = data.draw(st.integers(0, len(body) - 1))
    rows = []
    for number, token in enumerate(body):
        grown.extend([token])
        if number >= begin:
            rows.append(grown.rows(number, number + 1, begin=begin)[0])
    np.testing.assert_array_equal(rows, whole.rows(begin, len(body), begin=begin))
    assert len(grown) == len(whole) == len(body) and grown.tick == whole.tick


def test_values_end_where_the_tables_do():
    body = np.array([ON] * 30 + [wait(128)] * 100)
    found = measured(body, 10.0).window(0, len(body))
    assert (found.max(axis=0) == np.array(list(SIZES.values())) - 1).all() and found.min() == 0
    beyond = Timeline(10, 100.0)
    beyond.extend([wait(128)])
    assert beyond.rows(0, 1, begin=0)[0, 2:].tolist() == [127, 0]
    assert measured(np.array([ON, DRUM]), 100.0).window(0, 2)[:, 2].tolist() == [0, 0], "a piece of no time"
    assert measured(np.array([], int), 100.0).window(0, 0, n_prefix=1).tolist() == [[0, 0, 0, 127]]


def test_what_cannot_be_measured():
    for total, tempo in ((-1, 100.0), (4, 0.0), (4, float("inf")), (4, float("nan"))):
        with pytest.raises(UsageError, match="cannot be measured"):
            Timeline(total, tempo)
