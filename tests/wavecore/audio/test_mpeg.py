"""MP3 files without a length header are read to their end."""

import io

import numpy as np
import pytest
import soundfile

from wavecore.audio import files, mpeg

N_SAMPLES = 30011


def write_mp3s(tmp_path, rate, channels, mode):
    """Write an MP3 that grows louder, so that a variable bit rate varies, with and without a length header."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N_SAMPLES, channels)) * np.linspace(0.0, 0.1, N_SAMPLES)[:, None]
    path, bare = tmp_path / "whole.mp3", tmp_path / "bare.mp3"
    with soundfile.SoundFile(
        path, "w", rate, channels, "MPEG_LAYER_III", format="MP3", bitrate_mode=mode, compression_level=0.5
    ) as file:
        file.write(x.astype(np.float32))
    content = path.read_bytes()
    bare.write_bytes(content[mpeg.parse_frame(content).n_bytes :])
    return path, bare


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (11025, 2), (16000, 1), (22050, 2), (44100, 1), (48000, 2)])
def test_every_sample_is_read(tmp_path, rate, channels, mode):
    path, bare = write_mp3s(tmp_path, rate, channels, mode)
    whole, _ = files.read(path, mono=False)
    x, got = files.read(bare, mono=False)
    assert got == rate and len(whole) == N_SAMPLES
    assert files.probe(bare).frames == len(x) >= N_SAMPLES
    blocks = np.concatenate(list(files.stream(bare, block_frames=997)))
    assert np.allclose(blocks, x.mean(axis=1), atol=1e-7)
    # Behind the decoder's delay lies the same sound to the end.
    middle = slice(9000, 9100)
    lag = next(lag for lag in range(2000) if np.allclose(x[lag:][middle], whole[middle], atol=1e-6))
    assert np.allclose(x[lag + 3000 : lag + N_SAMPLES - 2000], whole[3000:-2000], atol=1e-6)


@pytest.mark.parametrize("before", [b"", b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128), b"junk"])
@pytest.mark.parametrize("after", [b"", b"TAG" + bytes(125), b"\xff\xff\xfb" * 40])
def test_tags_and_junk_around_the_sound(tmp_path, before, after):
    _, bare = write_mp3s(tmp_path, 44100, 1, "VARIABLE")
    plain, _ = files.read(bare)
    bare.write_bytes(before + bare.read_bytes() + after)
    x, _ = files.read(bare)
    assert np.array_equal(x[: len(plain)], plain) and len(x) - len(plain) <= 1152


def test_files_with_a_header_and_other_formats_are_unchanged(tmp_path):
    path, _ = write_mp3s(tmp_path, 16000, 1, "VARIABLE")
    assert mpeg.source(path) is path
    x = np.full(20000, -1.0 / 32768, np.float32)  # its bytes are all 0xff
    for name in ("a.wav", "a.flac", "a.ogg", "a.aiff", "a.au", "a.caf", "a.w64"):
        soundfile.write(tmp_path / name, x, 16000)
        assert mpeg.source(tmp_path / name) == tmp_path / name


@pytest.mark.parametrize(
    ("header", "n_bytes", "tag_offset"),
    [
        ("fffb9064", 417, 36),  # MPEG-1, 128 kbit/s, 44.1 kHz, joint stereo
        ("fffb92c4", 418, 21),  # the same padded, mono
        ("fff388c4", 288, 13),  # MPEG-2, 64 kbit/s, 16 kHz, mono
        ("ffe318c4", 72, 13),  # MPEG-2.5, 8 kbit/s, 8 kHz, mono
    ],
)
def test_frame_headers(header, n_bytes, tag_offset):
    assert mpeg.parse_frame(bytes.fromhex(header)) == mpeg.Frame(n_bytes, tag_offset)


@pytest.mark.parametrize(
    "header", ["fffb90", "fefb9064", "ff1b9064", "ffeb9064", "fffd9064", "fffb0064", "fffbf064", "fffb9c64", ""]
)
def test_other_bytes_are_no_frame_header(header):
    assert mpeg.parse_frame(bytes.fromhex(header)) is None


def test_the_prefixed_file_reads_as_one(tmp_path):
    _, bare = write_mp3s(tmp_path, 22050, 1, "CONSTANT")
    with mpeg.source(bare) as file:
        whole = file.read()
        assert whole.endswith(bare.read_bytes()) and b"Info" in whole[:64]
        assert file.seek(0, io.SEEK_END) == len(whole)
        for position in (0, 10, len(whole) - bare.stat().st_size - 1, len(whole) - 3):
            file.seek(position)
            assert file.tell() == position
            assert file.read(50) == whole[position : position + 50]
        file.seek(-2, io.SEEK_CUR)
        assert file.read() == whole[-2:]
        assert file.read() == b""
