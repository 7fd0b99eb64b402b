"""Validation: types, finiteness, shapes, rates."""

import numpy as np
import pytest
import torch

from wavecore.audio import checks
from wavecore.errors import InputError, UsageError

KINDS = pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])


@pytest.mark.parametrize("x", [np.zeros(3, np.int16), torch.zeros(3, dtype=torch.int16), np.zeros(3, bool)])
def test_integers_are_refused(x):
    with pytest.raises(InputError, match="int16|bool"):
        checks.require_float(x)


@KINDS
def test_number_and_first_index_of_not_finite_values(kind):
    x = np.zeros(10, np.float32)
    x[[4, 7]] = np.nan
    x[9] = -np.inf
    with pytest.raises(InputError, match=r"3 of 10 samples .*2 NaN, 1 infinite.*nan at index 4"):
        checks.require_finite(kind(x))
    with pytest.raises(InputError, match="index 1004"):
        checks.require_finite(kind(x), offset=1000)


def test_not_finite_in_two_dimensions():
    x = np.zeros((2, 5), np.float32)
    x[1, 3] = np.inf
    with pytest.raises(InputError, match=r"1 of 10 things .*index \(1, 3\)"):
        checks.require_finite(x, what="things")
    with pytest.raises(InputError, match=r"\(11, 3\)"):
        checks.require_finite(x, offset=10)


def test_not_finite_scalar_and_half_precision():
    with pytest.raises(InputError, match="1 of 1"):
        checks.require_finite(np.float32(np.nan))
    with pytest.raises(InputError, match="index 1"):
        checks.require_finite(torch.tensor([0.0, float("inf")], dtype=torch.bfloat16))


def test_large_finite_values_pass():
    checks.require_finite(np.array([3e38, -3e38], np.float32))
    checks.require_finite(np.array([1e300]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_as_signal_accepts_tensors_with_gradients(dtype):
    signal = checks.as_signal(torch.tensor([0.5, -0.25], dtype=dtype, requires_grad=True))
    assert signal.dtype == np.float32 and signal.tolist() == [0.5, -0.25]


@pytest.mark.parametrize(
    ("x", "value"),
    [
        (np.zeros((1, 5), np.float32), r"\(1, 5\)"),
        (np.float32(0.5), r"\(\)"),
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros(5, np.int32), "int32"),
        (torch.zeros(5, dtype=torch.int32), "int32"),
        (np.array([0.0, np.nan]), "index 1"),
    ],
)
def test_as_signal_refuses(x, value):
    with pytest.raises(InputError, match=value):
        checks.as_signal(x)


@pytest.mark.parametrize("rate", [0, -1, 16000.0, "16000", None, True])
def test_rates_are_positive_integers(rate):
    with pytest.raises(UsageError, match="the_rate"):
        checks.require_rate(rate, what="the_rate")


def test_numpy_rates_become_int():
    assert type(checks.require_rate(np.int64(16000))) is int
