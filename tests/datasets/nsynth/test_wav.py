import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import files
from wavecore.datasets.nsynth import wav
from wavecore.errors import InputError

EVERY = np.arange(-32768, 32768).astype(np.int16)
GOOD = wav.encode(EVERY[:50], 16_000)


def test_every_sample_is_kept_by_floats_and_files():
    assert np.array_equal(wav.to_int16(wav.to_float(EVERY)), EVERY)
    samples, rate = wav.decode(wav.encode(EVERY, 16_000), where="a.wav")
    assert np.array_equal(samples, EVERY) and samples.dtype == np.int16 and rate == 16_000


def test_samples_out_of_range_are_clamped():
    assert wav.to_int16(np.array([1.0, 2.0, -1.0, -2.0, 0.0])).tolist() == [32767, 32767, -32768, -32768, 0]


def test_files_have_44_bytes_of_header_and_other_readers_read_the_same(tmp_path):
    data = wav.encode(EVERY, 8_000)
    assert len(data) == 44 + 2 * len(EVERY) and data[44:] == EVERY.astype("<i2").tobytes()
    (tmp_path / "a.wav").write_bytes(data)
    x, rate = files.read(tmp_path / "a.wav")
    assert rate == 8_000 and np.array_equal(x, wav.to_float(EVERY))


def test_other_chunks_are_passed_over():
    # A chunk of odd length, with its padding, before the samples.
    chunk = struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    odd = GOOD[:4] + struct.pack("<I", len(GOOD) - 8 + len(chunk)) + GOOD[8:36] + chunk + GOOD[36:]
    assert np.array_equal(wav.decode(odd, where="a.wav")[0], EVERY[:50])


def changed(at: int, form: str, value: int) -> bytes:
    return GOOD[:at] + struct.pack(form, value) + GOOD[at + struct.calcsize(form) :]


def with_format(n_channels: int, width: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((n_channels, width, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(12 * n_channels * width))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"", "no WAV file"),
        (b"hello, this is text", "no WAV file"),
        (GOOD[:36], "no WAV file"),
        (changed(20, "<H", 3), "3"),
        (changed(16, "<I", 8), "no WAV file"),
        (GOOD[:-1], "99 of 100"),
        (with_format(2, 2), "2 channels"),
        (with_format(1, 3), "24 bits"),
    ],
)
def test_other_and_damaged_files_are_refused_by_name(data, fact):
    with pytest.raises(InputError, match=rf"a\.wav.*{fact}"):
        wav.decode(data, where="a.wav")


@settings(deadline=None)
@given(st.binary(max_size=120), st.integers(0, 120))
def test_any_bytes_are_read_or_refused(noise, at):
    data = GOOD[:at] + noise + GOOD[at + len(noise) :]
    try:
        samples, _ = wav.decode(data, where="a.wav")
    except InputError:
        return
    assert samples.dtype == np.int16
