from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.audio import files
from wavecore.datasets.nsynth import pcm
from wavecore.errors import InputError

EVERY = np.arange(-32768, 32768).astype(np.int16)


def test_every_sample_survives_floats_and_wav():
    assert np.array_equal(pcm.quantize(pcm.to_float(EVERY)), EVERY)
    back, rate = pcm.read_wav(pcm.wav_bytes(EVERY, 16_000), where="a.wav")
    assert np.array_equal(back, EVERY) and back.dtype == np.int16 and rate == 16_000


def test_other_readers_read_the_same(tmp_path):
    data = pcm.wav_bytes(EVERY, 8_000)
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8_000)
        assert file.readframes(1 << 20) == EVERY.tobytes()
    (tmp_path / "a.wav").write_bytes(data)
    assert np.array_equal(files.read(tmp_path / "a.wav")[0], pcm.to_float(EVERY))


def test_other_writers_are_read(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(EVERY.tobytes())
    data = (tmp_path / "a.wav").read_bytes()
    assert np.array_equal(pcm.read_wav(data, where="a.wav")[0], EVERY)
    # A chunk of odd length, with its padding, before the samples.
    odd = data[:36] + struct.pack("<4sI", b"LIST", 3) + b"abc\0" + data[36:]
    assert np.array_equal(pcm.read_wav(odd, where="a.wav")[0], EVERY)


def test_what_is_too_loud_is_clamped():
    assert pcm.quantize(np.array([1.0, 2.0, -1.0, -2.0, 0.0])).tolist() == [32767, 32767, -32768, -32768, 0]


GOOD = pcm.wav_bytes(EVERY[:50], 16_000)


def changed(at: int, form: str, value: int) -> bytes:
    return GOOD[:at] + struct.pack(form, value) + GOOD[at + struct.calcsize(form) :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no WAV file"),
        (b"hello, this is text", "no WAV file"),
        (GOOD[:36], "has no samples"),
        (GOOD[:-1], "cut off: its b'data' chunk has 99 of 100"),
        (changed(20, "<H", 3), "encoding 3"),
        (changed(22, "<H", 2), "2 channels"),
        (changed(34, "<H", 24), "24 bits"),
        (changed(24, "<I", 0), "0 Hz"),
        (changed(40, "<I", 99), "an odd number"),
        (changed(16, "<I", 8), "format chunk of 8 bytes"),
    ],
)
def test_broken_files_are_refused_by_name(data, message):
    with pytest.raises(InputError, match=message) as caught:
        pcm.read_wav(data, where="a.wav")
    assert str(caught.value).startswith("a.wav")


@given(st.binary(max_size=120), st.integers(0, 120))
def test_any_bytes_are_read_or_refused(noise, at):
    data = GOOD[:at] + noise + GOOD[at + len(noise) :]
    try:
        samples, rate = pcm.read_wav(data, where="a.wav")
    except InputError:
        return
    assert samples.dtype == np.int16 and rate > 0
