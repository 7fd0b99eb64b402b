"""Validation: types, finiteness, shapes, rates."""

import numpy as np
import pytest
import torch

from wavecore.audio import checks
from wavecore.errors import InputError, UsageError


@pytest.mark.parametrize("x", [np.zeros(3, np.int16), torch.zeros(3, dtype=torch.int16), np.zeros(3, bool)])
def test_integers_are_refused(x):
    with pytest.raises(InputError, match="int16|bool"):
        checks.require_float(x)


NOT_FINITE = np.array([0, 0, 0, 0, np.nan, 0, 0, np.nan, 0, -np.inf], np.float32)


@pytest.mark.parametrize(
    ("x", "options", "value"),
    [
        (NOT_FINITE, {}, r"3 of 10 samples .*2 NaN, 1 infinite.*nan at index 4"),
        (torch.from_numpy(NOT_FINITE), {"offset": 1000}, "index 1004"),
        (NOT_FINITE.reshape(2, 5), {"what": "things"}, r"3 of 10 things .*index \(0, 4\)"),
        (NOT_FINITE.reshape(2, 5), {"offset": 10}, r"\(10, 4\)"),
        (np.float32(np.nan), {}, "1 of 1"),
        (torch.tensor([0.0, float("inf")], dtype=torch.bfloat16), {}, "index 1"),
    ],
)
def test_number_and_first_index_of_not_finite_values(x, options, value):
    with pytest.raises(InputError, match=value):
        checks.require_finite(x, **options)


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
    assert type(checks.require_rate(np.int64(16000))) is int
