"""Mu-law: every code comes back, on every device, whatever is thrown at it."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import mulaw
from wavecore.errors import InputError

CODES = np.arange(256, dtype=np.uint8)


def formula(x):
    """The definition, in double precision."""
    x = np.clip(np.asarray(x, np.float64), -1.0, 1.0)
    companded = np.sign(x) * np.log1p(255.0 * np.abs(x)) / np.log(256.0)
    return np.floor((companded + 1.0) / 2.0 * 255.0 + 0.5)


def test_every_code_comes_back():
    assert np.array_equal(mulaw.encode(mulaw.decode(CODES)), CODES)
    tensor = torch.from_numpy(CODES)
    assert torch.equal(mulaw.encode(mulaw.decode(tensor)), tensor)
    assert np.array_equal(mulaw.from_scalar(mulaw.to_scalar(CODES)), CODES)
    assert torch.equal(mulaw.from_scalar(mulaw.to_scalar(tensor)), tensor)


def test_known_values():
    x = np.array([-1.0, 0.0, 1.0], np.float32)
    assert mulaw.encode(x).tolist() == [0, 128, 255]
    decoded = mulaw.decode(np.array([0, 127, 128, 255], np.uint8))
    assert decoded[0] == -1.0 and decoded[3] == 1.0
    assert decoded[1] == -decoded[2] == pytest.approx(-np.expm1(np.log(256) / 255) / 255, rel=1e-6)
    assert mulaw.decode(np.array(mulaw.SILENCE)) == decoded[2]
    assert mulaw.to_scalar(np.array([0, 255])).tolist() == [-0.5, 0.5]


def test_decode_is_odd_and_ascends():
    decoded = mulaw.decode(CODES)
    assert np.array_equal(decoded, -decoded[::-1])
    assert (np.diff(decoded) > 0).all()


def test_louder_than_full_scale_clamps():
    x = np.array([-3e38, -1.0001, 1.0001, 3e38], np.float32)
    assert mulaw.encode(x).tolist() == [0, 0, 255, 255]
    assert mulaw.encode(torch.from_numpy(x)).tolist() == [0, 0, 255, 255]
    assert mulaw.from_scalar(np.array([-9.0, 9.0])).tolist() == [0, 255]
    assert mulaw.from_scalar(torch.tensor([-9.0, 9.0])).tolist() == [0, 255]


def test_follows_the_formula_away_from_the_edges_of_bins():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-1.1, 1.1, 20001), rng.normal(0, 1e-3, 20001)]).astype(np.float32)
    codes = mulaw.encode(x)
    assert np.array_equal(codes, formula(x))
    assert np.array_equal(mulaw.encode(torch.from_numpy(x)).numpy(), codes)


def test_edges_of_bins_belong_to_the_code_above():
    expand = lambda y: np.sign(y) * np.expm1(np.abs(y) * np.log(256.0)) / 255.0
    edges = expand(2.0 * (np.arange(1, 256) - 0.5) / 255.0 - 1.0)
    above = edges.astype(np.float32)
    above = np.where(above < edges, np.nextafter(above, np.float32(2)), above)
    below = np.nextafter(above, np.float32(-2))
    assert np.array_equal(mulaw.encode(above), np.arange(1, 256))
    assert np.array_equal(mulaw.encode(below), np.arange(0, 255))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=50))
def test_encoding_ascends_and_decoding_is_near(values):
    x = np.sort(np.array(values, np.float32))
    codes = mulaw.encode(x)
    assert (np.diff(codes.astype(int)) >= 0).all()
    clamped = np.clip(x, -1, 1)
    # half a bin: the companding curve's slope there, (1/255 + |x|) ln 256, times half a step of 2/255
    bound = (1 / 255 + np.abs(clamped)) * np.log(256) / 255 * 1.03 + 1e-7
    assert (np.abs(mulaw.decode(codes) - clamped) <= bound).all()


@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3), (2, 1, 5)])
def test_shapes_and_types_are_kept(shape):
    x = np.zeros(shape, np.float32)
    for values in (x, torch.from_numpy(x)):
        codes = mulaw.encode(values)
        assert type(codes) is type(values) and tuple(codes.shape) == shape
        assert str(codes.dtype).endswith("uint8")
        for back in (mulaw.decode(codes), mulaw.to_scalar(codes)):
            assert type(back) is type(values) and tuple(back.shape) == shape
            assert str(back.dtype).endswith("float32")
        assert tuple(mulaw.from_scalar(values).shape) == shape


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types(dtype):
    x = torch.linspace(-1, 1, 101).to(dtype)
    assert torch.equal(mulaw.encode(x), mulaw.encode(x.float()))


def test_strided_tensors():
    x = torch.linspace(-1, 1, 100)
    assert torch.equal(mulaw.encode(x[::3]), mulaw.encode(x)[::3])


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint16])
def test_any_integer_type_decodes(dtype):
    codes = np.arange(0, 128).astype(dtype)
    assert np.array_equal(mulaw.decode(codes), mulaw.decode(CODES[:128]))
    if dtype is not np.uint16:
        assert torch.equal(mulaw.decode(torch.from_numpy(codes)), torch.from_numpy(mulaw.decode(CODES[:128])))


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("function", [mulaw.encode, mulaw.from_scalar])
def test_not_finite_is_refused(kind, function):
    x = np.zeros(6, np.float32)
    x[3], x[5] = np.nan, np.inf
    with pytest.raises(InputError, match="2 of 6 .*1 NaN, 1 infinite.*index 3"):
        function(kind(x))


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_wrong_types_and_ranges_are_refused(kind):
    with pytest.raises(InputError, match="floating-point"):
        mulaw.encode(kind(np.zeros(3, np.int16)))
    for function in (mulaw.decode, mulaw.to_scalar):
        with pytest.raises(InputError, match="float32; encode"):
            function(kind(np.zeros(3, np.float32)))
        with pytest.raises(InputError, match="bool"):
            function(kind(np.zeros(3, bool)))
        with pytest.raises(InputError, match="from -1 to 3"):
            function(kind(np.array([3, -1])))
        with pytest.raises(InputError, match="from 0 to 256"):
            function(kind(np.array([0, 256])))


def test_tables_made_under_inference_serve_training():
    with torch.inference_mode():
        mulaw.decode(torch.tensor([3]))
    gain = torch.ones((), requires_grad=True)
    (mulaw.decode(torch.tensor([255])) * gain).sum().backward()
    assert gain.grad == 1.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_gives_the_same_codes_and_stays_there():
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.uniform(-1.1, 1.1, 100003).astype(np.float32))
    codes = mulaw.encode(x.cuda())
    assert codes.is_cuda and torch.equal(codes.cpu(), mulaw.encode(x))
    assert torch.equal(mulaw.decode(codes).cpu(), mulaw.decode(codes.cpu()))
    assert torch.equal(mulaw.to_scalar(codes).cpu(), mulaw.to_scalar(codes.cpu()))


def test_imports_without_audio_libraries():
    blocked = "librosa", "soundfile", "soxr", "nnAudio", "torchaudio", "scipy", "matplotlib", "numba"
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); import wavecore.audio.mulaw"
    assert subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=False).stderr == b""
