"""Mu-law: every code survives a round trip, arrays and tensors agree, bad input is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import mulaw
from wavecore.errors import InputError

CODES = np.arange(256, dtype=np.uint8)
KINDS = pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])


def formula(x):
    """Compute the definition in double precision."""
    x = np.clip(np.asarray(x, np.float64), -1.0, 1.0)
    companded = np.sign(x) * np.log1p(255.0 * np.abs(x)) / np.log(256.0)
    return np.floor((companded + 1.0) / 2.0 * 255.0 + 0.5)


def test_every_code_survives_a_round_trip():
    assert np.array_equal(mulaw.encode(mulaw.decode(CODES)), CODES)
    tensor = torch.from_numpy(CODES)
    assert torch.equal(mulaw.encode(mulaw.decode(tensor)), tensor)
    decoded = mulaw.decode(CODES)
    assert np.array_equal(decoded, -decoded[::-1]) and (np.diff(decoded) > 0).all()


def test_known_values():
    x = np.array([-3e38, -1.0001, -1.0, 0.0, 1.0, 1.0001, 3e38], np.float32)
    assert mulaw.encode(x).tolist() == [0, 0, 0, 128, 255, 255, 255]
    assert mulaw.encode(torch.from_numpy(x)).tolist() == [0, 0, 0, 128, 255, 255, 255]
    decoded = mulaw.decode(np.array([0, 127, 128, 255], np.uint8))
    assert decoded[0] == -1.0 and decoded[3] == 1.0
    assert decoded[1] == -decoded[2] == pytest.approx(-np.expm1(np.log(256) / 255) / 255, rel=1e-6)
    assert mulaw.decode(np.array(mulaw.SILENCE)) == decoded[2]


def test_codes_follow_the_formula_away_from_the_edges_of_bins():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-1.1, 1.1, 20001), rng.normal(0, 1e-3, 20001)]).astype(np.float32)
    codes = mulaw.encode(x)
    assert np.array_equal(codes, formula(x))
    assert np.array_equal(mulaw.encode(torch.from_numpy(x)).numpy(), codes)


def test_edges_of_bins_belong_to_the_code_above():
    y = 2.0 * (np.arange(1, 256) - 0.5) / 255.0 - 1.0
    edges = np.sign(y) * np.expm1(np.abs(y) * np.log(256.0)) / 255.0
    above = edges.astype(np.float32)
    above = np.where(above < edges, np.nextafter(above, np.float32(2)), above)
    assert np.array_equal(mulaw.encode(above), np.arange(1, 256))
    assert np.array_equal(mulaw.encode(np.nextafter(above, np.float32(-2))), np.arange(0, 255))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=50))
def test_encoding_ascends_and_decoding_is_near(values):
    x = np.sort(np.array(values, np.float32))
    codes = mulaw.encode(x)
    assert (np.diff(codes.astype(int)) >= 0).all()
    clamped = np.clip(x, -1, 1)
    # Half a bin: the companding curve's slope there, (1/255 + |x|) ln 256, times half a step of 2/255.
    bound = (1 / 255 + np.abs(clamped)) * np.log(256) / 255 * 1.03 + 1e-7
    assert (np.abs(mulaw.decode(codes) - clamped) <= bound).all()


@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3), (2, 1, 5)])
def test_shapes_and_types(shape):
    x = np.zeros(shape, np.float32)
    for values in (x, torch.from_numpy(x)):
        codes = mulaw.encode(values)
        assert type(codes) is type(values) and tuple(codes.shape) == shape
        assert str(codes.dtype).endswith("uint8")
        samples = mulaw.decode(codes)
        assert type(samples) is type(values) and tuple(samples.shape) == shape
        assert str(samples.dtype).endswith("float32")


def test_other_types_and_strides():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        x = torch.linspace(-1, 1, 101).to(dtype)
        assert torch.equal(mulaw.encode(x), mulaw.encode(x.float()))
        assert torch.equal(mulaw.encode(x[::3]), mulaw.encode(x)[::3])
    expected = mulaw.decode(CODES[:128])
    for dtype in (np.int8, np.int32, np.int64):
        codes = np.arange(0, 128).astype(dtype)
        assert np.array_equal(mulaw.decode(codes), expected)
        assert np.array_equal(mulaw.decode(torch.from_numpy(codes)).numpy(), expected)


@KINDS
@pytest.mark.parametrize(
    ("function", "values", "value"),
    [
        (mulaw.encode, np.array([0, 0, 0, np.nan, 0, np.inf], np.float32), "2 of 6 .*index 3"),
        (mulaw.encode, np.zeros(3, np.int16), "int16"),
        (mulaw.decode, np.zeros(3, np.float32), "float32"),
        (mulaw.decode, np.zeros(3, bool), "bool"),
        (mulaw.decode, np.array([3, -1]), "-1 to 3"),
        (mulaw.decode, np.array([0, 256]), "0 to 256"),
    ],
)
def test_bad_values_are_refused(kind, function, values, value):
    with pytest.raises(InputError, match=value):
        function(kind(values))


def test_tables_made_under_inference_serve_training():
    mulaw._tables_on.cache_clear()
    with torch.inference_mode():
        mulaw.decode(torch.tensor([3]))
    gain = torch.ones((), requires_grad=True)
    (mulaw.decode(torch.tensor([255])) * gain).sum().backward()
    assert gain.grad == 1.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_gives_the_same_codes():
    x = torch.from_numpy(np.random.default_rng(1).uniform(-1.1, 1.1, 100003).astype(np.float32))
    codes = mulaw.encode(x.cuda())
    assert codes.is_cuda and torch.equal(codes.cpu(), mulaw.encode(x))
    assert torch.equal(mulaw.decode(codes).cpu(), mulaw.decode(codes.cpu()))
