"""The bookkeeping of generators, on a backend with trivial arithmetic."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_networks import network

from wavecore.errors import InputError, ModelError, UsageError
from wavecore.kernels.base import BLOCK, BaseGenerator, check_whole

HOP = 7  # of the configuration "odd"


class Echo(BaseGenerator):
    """Its code at time t is the latent of t's frame as an integer; its memory is their sum."""

    def __init__(self, *arguments, fail_at=None, interrupt_at=None, **options):
        super().__init__(*arguments, **options)
        self.sums = np.zeros(self._batch, dtype=np.int64)
        self.fail_at, self.interrupt_at = fail_at, interrupt_at
        self.most_frames = 0

    def _advance(self, run, latent, first, n_samples):
        self.most_frames = max(self.most_frames, latent.shape[1])
        for i in range(n_samples):
            t = self._position + i
            if t == self.fail_at:
                return i
            if t == self.interrupt_at:
                raise KeyboardInterrupt
            value = latent[:, t // HOP - self._position // HOP, 0].astype(np.uint8)
            if run.forced:
                run.logits[:, first + i] = value[:, None]
            else:
                run.codes[:, first + i] = value
            self.sums += run.codes[:, first + i]
        return -1

    def _save(self):
        return self.sums.copy()

    def _load(self, memory):
        self.sums[:] = memory


def frames(first, last, batch=2):
    """Frames whose first channel counts up, stream b starting 100 higher than b - 1."""
    latent = np.zeros((batch, last - first, 3), np.float32)
    latent[..., 0] = np.arange(first, last) + 100 * np.arange(batch)[:, None]
    return latent


def new_echo(n_frames=0, **options):
    echo = Echo(network("odd"), **{"batch": 2, "seed": 0, **options})
    echo.feed(frames(0, n_frames, echo._batch))
    return echo


def wanted(n_samples, batch=2):
    return (np.arange(n_samples) // HOP + 100 * np.arange(batch)[:, None]).astype(np.uint8)


def test_samples_use_their_frame():
    echo = new_echo()
    assert echo.position == echo.available == 0
    echo.feed(frames(0, 3))
    assert echo.available == 21
    codes = echo.generate(20)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, wanted(20))
    assert (echo.position, echo.available) == (20, 1)
    echo.feed(frames(3, 4))
    assert echo.available == 8


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.data())
def test_feeding_and_chunks_anyhow(data):
    echo = new_echo()
    fed, codes = 0, []
    for _ in range(data.draw(st.integers(1, 8))):
        more = data.draw(st.integers(0, 5))
        echo.feed(frames(fed, fed + more))
        fed += more
        n = data.draw(st.integers(0, echo.available))
        forced = data.draw(st.booleans())
        codes.append(echo.force(np.zeros((2, n), np.uint8))[..., 0] if forced else echo.generate(n))
        assert echo.position + echo.available == fed * HOP
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), wanted(echo.position))


def test_long_calls_are_cut_into_blocks():
    echo = new_echo()
    n = 3 * BLOCK + 5
    echo.feed(frames(0, n // HOP + 1) % 256)
    np.testing.assert_array_equal(echo.generate(n), wanted(n))
    assert echo.most_frames <= BLOCK // HOP + 2


def test_used_frames_are_dropped():
    echo = new_echo()
    for i in range(6):
        echo.feed(frames(i, i + 1))
    echo.generate(4 * HOP + 1)
    np.testing.assert_array_equal(echo.state().latent, frames(4, 6))


def test_what_was_fed_is_copied():
    echo, latent = new_echo(), frames(0, 2)
    echo.feed(latent)
    latent[:] = 50
    np.testing.assert_array_equal(echo.generate(14), wanted(14))


def test_forced_codes_are_taken_and_left_alone():
    echo = new_echo(2)
    codes = np.arange(20, dtype=np.uint8).reshape(2, 10)[:, ::2]  # not contiguous
    logits = echo.force(codes)
    assert logits.shape == (2, 5, 256) and logits.dtype == np.float32
    assert echo.sums.tolist() == codes.sum(axis=1).tolist()
    assert codes[0, 1] == 2


def test_trace_has_the_promised_shapes():
    echo = new_echo(1)
    trace = echo.force(np.zeros((2, 5), np.uint8), trace=True)
    assert trace.logits.shape == (2, 5, 256)
    assert trace.residual.shape == (2, 5, 8, 24) and trace.skip.shape == (2, 5, 9, 17)


def test_a_foreign_state_is_refused():
    class Other(Echo):
        pass

    packed = network("odd")
    other_backend = Other(packed, batch=2, seed=0)
    other_weights = Echo(dataclasses.replace(packed), batch=2, seed=0)
    for stranger, value in ((other_backend, "Other"), (other_weights, "Echo"), (new_echo(batch=3), "3")):
        with pytest.raises(UsageError, match=value):
            new_echo().restore(stranger.state())


def test_logits_that_are_not_finite_are_an_error_with_their_position():
    echo = new_echo(60, fail_at=BLOCK + 9)
    with pytest.raises(ModelError, match=f"sample {BLOCK + 9} "):
        echo.generate(BLOCK + 20)


def test_after_an_interrupt_only_restoring_helps():
    echo = new_echo(4, interrupt_at=12)
    echo.generate(10)
    state = echo.state()
    with pytest.raises(KeyboardInterrupt):
        echo.generate(10)
    for call in (lambda: echo.generate(1), lambda: echo.force(np.zeros((2, 1), np.uint8)), echo.state):
        with pytest.raises(UsageError):
            call()
    echo.restore(state)
    echo.interrupt_at = None
    np.testing.assert_array_equal(echo.generate(10), wanted(20)[:, 10:])


@pytest.mark.parametrize("n_samples", [15, 10**6])
def test_more_than_available_is_refused_and_changes_nothing(n_samples):
    echo = new_echo(2)
    with pytest.raises(UsageError, match=f"{n_samples} .* 14 "):
        echo.generate(n_samples)
    with pytest.raises(UsageError, match="15 .* 14 "):
        echo.force(np.zeros((2, 15), np.uint8))
    np.testing.assert_array_equal(echo.generate(14), wanted(14))


@pytest.mark.parametrize("n_samples", [-1, 1.0, True, None, "3"])
def test_bad_n_samples(n_samples):
    with pytest.raises(UsageError, match="^n_samples "):
        new_echo().generate(n_samples)


def test_nothing_is_a_fine_request():
    echo = new_echo()
    assert echo.generate(0).shape == (2, 0)
    assert echo.force(np.zeros((2, 0), np.uint8)).shape == (2, 0, 256)
    echo.feed(np.zeros((2, 0, 3), np.float32))
    assert echo.available == 0


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 3), float), ((3, 1, 3), float), ((2, 1, 4), float), ((2, 1, 3), int), ((2, 1, 3), complex)],
)
def test_latent_that_does_not_fit(shape, dtype):
    echo = new_echo()
    with pytest.raises(UsageError, match="latent"):
        echo.feed(np.zeros(shape, dtype))
    assert echo.available == 0


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_latent_that_is_not_finite(value):
    latent = np.zeros((2, 5, 3))
    latent[1, 3:, 2] = value
    with pytest.raises(InputError, match="2 of 5 .* 3"):
        new_echo().feed(latent)


@pytest.mark.parametrize(
    "codes", [np.zeros((2, 3)), np.zeros((3, 3), np.uint8), np.zeros(3, np.uint8), np.zeros((2, 3), np.int64)]
)
def test_codes_that_do_not_fit(codes):
    echo = new_echo(2)
    with pytest.raises(UsageError, match="codes"):
        echo.force(codes)


def test_codes_beyond_the_classes():
    echo = Echo(network("few"), batch=1, seed=0)  # 11 classes
    echo.feed(np.zeros((1, 2, 1), np.float32))
    with pytest.raises(UsageError, match=" 11.* 11 "):
        echo.force(np.array([[10, 11]], np.uint8))


BAD_OPTIONS = {
    "batch": [0, 1.5, True],
    "seed": [-1, 2**64, 0.5],
    "temperature": [-1, float("nan")],
    "streams": [[1], [1, -2], [1, 2.0]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD_OPTIONS for value in BAD_OPTIONS[name]])
def test_bad_options(name, value):
    with pytest.raises(UsageError, match=name.removesuffix("s")):
        new_echo(**{name: value})


def test_extreme_options_are_taken():
    echo = new_echo(seed=np.uint64(2**64 - 1), streams=np.array([2**64 - 1, 0], np.uint64), temperature=0)
    assert echo._seed == 2**64 - 1 and echo._streams.tolist() == [2**64 - 1, 0]


def test_check_whole_bounds():
    check_whole(np.int64(3), "x", 3, 4)
    for value in (2, 4, 3.0, False):
        with pytest.raises(UsageError, match="^x "):
            check_whole(value, "x", 3, 4)
