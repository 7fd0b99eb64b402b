"""Writing: bit exact where the format allows, whole or not at all, clamping counted."""

import os

import numpy as np
import pytest
import soundfile
import torch

from wavecore.audio import files, writing
from wavecore.audio.writing import AudioWriter, write
from wavecore.errors import InputError, OutputExistsError, UsageError, WavecoreError

LINEAR = [("wav", "PCM_16"), ("wav", "PCM_24"), ("flac", "PCM_16"), ("flac", "PCM_24")]
INTEGER = [*LINEAR, ("ogg", "VORBIS"), ("opus", "OPUS"), ("mp3", "MPEG_LAYER_III")]
SUBTYPES = [*INTEGER, ("wav", "FLOAT")]


def noise(n_samples, channels=None, seed=0):
    shape = n_samples if channels is None else (n_samples, channels)
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize(("suffix", "subtype"), SUBTYPES)
@pytest.mark.parametrize("channels", [None, 2])
def test_every_encoding(tmp_path, suffix, subtype, channels):
    path = tmp_path / f"a.{suffix}"
    report = write(path, noise(5003, channels), 16000, subtype=subtype)
    info = files.probe(path)
    assert (info.frames, info.channels, info.sample_rate, info.subtype) == (5003, channels or 1, 16000, subtype)
    peak = np.abs(noise(5003, channels)).max()
    assert report == writing.WrittenAudio(path, 16000, channels or 1, 5003, peak, n_over=0)
    assert report.seconds == 5003 / 16000 and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(("suffix", "subtype"), LINEAR)
def test_integers_are_read_back_bit_for_bit(tmp_path, suffix, subtype):
    bits = int(subtype[4:])
    codes = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 4001)
    codes[:3] = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 0
    write(tmp_path / f"a.{suffix}", (codes / 2.0 ** (bits - 1)).astype(np.float64), 44100, subtype=subtype)
    stored, _ = soundfile.read(tmp_path / f"a.{suffix}", dtype="int32")
    assert np.array_equal(stored >> (32 - bits), codes)


def test_integers_are_rounded_to_nearest_and_floats_not(tmp_path):
    write(tmp_path / "a.wav", (np.arange(-5, 6) + 0.4) / 32768.0, 16000)
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == list(range(-5, 6))
    x = np.array([1e-30, -1.5, 3e4, 0.1], np.float32)
    report = write(tmp_path / "b.wav", x, 16000, subtype="FLOAT")
    assert np.array_equal(files.read(tmp_path / "b.wav")[0], x)
    assert report.peak == 3e4 and report.n_over == 2


@pytest.mark.parametrize(("suffix", "subtype"), INTEGER)
def test_clamping_is_counted_and_does_not_wrap(tmp_path, suffix, subtype):
    x = 1.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    x[100] = -4.0
    report = write(tmp_path / f"a.{suffix}", x, 16000, subtype=subtype)
    assert report.peak == 4.0 and report.n_over == np.count_nonzero(np.abs(x) > 1)
    back, _ = files.read(tmp_path / f"a.{suffix}")
    loud = np.abs(x) > 1.2
    assert (np.sign(back[loud]) == np.sign(x[loud])).mean() > 0.99  # lossy ones need a moment to start
    if subtype.startswith("PCM"):
        assert back.max() == 1.0 - 2.0 ** (1 - int(subtype[4:])) and back.min() == -1.0
    assert write(tmp_path / f"b.{suffix}", np.array([1.0, -1.0]), 16000).n_over == 0


@pytest.mark.parametrize(("suffix", "subtype"), SUBTYPES)
def test_blocks_equal_the_whole(tmp_path, suffix, subtype):
    x = noise(20011)
    write(tmp_path / f"whole.{suffix}", x, 16000, subtype=subtype)
    with AudioWriter(tmp_path / f"blocks.{suffix}", 16000, subtype=subtype) as writer:
        for block in np.split(x, [0, 1, 500, 16384, 20000]):
            writer.write(block)
    whole, blocks = (files.read(tmp_path / f"{name}.{suffix}")[0] for name in ("whole", "blocks"))
    assert writer.report().frames == 20011 and writer.peak == np.abs(x).max()
    assert np.array_equal(whole, blocks)


@pytest.mark.slow
def test_large_blocks_of_vorbis(tmp_path):
    report = write(tmp_path / "a.ogg", noise(2_200_000), 48000)  # more than the stack holds
    assert files.probe(tmp_path / "a.ogg").frames == report.frames == 2_200_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors(tmp_path, dtype):
    x = torch.from_numpy(noise(1001)).to(dtype).requires_grad_()
    write(tmp_path / "a.wav", x, 16000, subtype="FLOAT")
    assert np.array_equal(files.read(tmp_path / "a.wav")[0], x.detach().float().numpy())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_file_leaves_nothing(tmp_path, error):
    with pytest.raises(error), AudioWriter(tmp_path / "a.wav", 16000) as writer:
        writer.write(noise(1000))
        raise error
    assert os.listdir(tmp_path) == []


def test_existing_files_are_kept_by_default(tmp_path):
    write(tmp_path / "a.wav", noise(10), 16000)
    with pytest.raises(OutputExistsError, match=r"a\.wav"):
        AudioWriter(tmp_path / "a.wav", 16000)  # before any work is done
    assert files.probe(tmp_path / "a.wav").frames == 10
    write(tmp_path / "a.wav", noise(20), 16000, overwrite=True)
    assert files.probe(tmp_path / "a.wav").frames == 20


def test_not_finite_samples_are_refused_before_writing(tmp_path):
    with pytest.raises(InputError, match=r"2 of 10 .*index 1004"), AudioWriter(tmp_path / "a.wav", 16000) as writer:
        writer.write(noise(1000))
        bad = noise(10)
        bad[[4, 6]] = np.inf, np.nan
        writer.write(bad)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("x", "value"),
    [
        (np.zeros(5, np.int16), "int16"),
        (np.zeros((2, 9000), np.float32), r"\(2, 9000\)"),
        (np.zeros((2, 2, 2), np.float32), r"\(2, 2, 2\)"),
        (np.float32(0.5), r"\(\)"),
        (np.zeros(0, np.float32), "0 samples"),
    ],
)
def test_bad_arrays(tmp_path, x, value):
    with pytest.raises(InputError, match=value):
        write(tmp_path / "a.wav", x, 16000)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("shape", [(5, 1), (5,), (5, 3), (2, 5)])
def test_blocks_have_the_number_of_channels(tmp_path, shape):
    with pytest.raises(InputError, match=r"\(n, 2\)"), AudioWriter(tmp_path / "a.wav", 16000, channels=2) as writer:
        writer.write(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("name", "rate", "options", "value"),
    [
        ("a.m4a", 16000, {}, r"\.m4a.* \.wav, \.flac"),
        ("a", 16000, {}, "without a suffix"),
        ("a.flac", 16000, {"subtype": "FLOAT"}, "FLOAT.* PCM_16, PCM_24"),
        ("a.opus", 44100, {}, r"44100 .* 8000, 12000, 16000, 24000, 48000 Hz"),
        ("a.mp3", 96000, {}, "96000 Hz"),
        ("a.mp3", 16000, {"channels": 3}, "2 channels, not 3"),
        ("a.wav", 16000, {"channels": 0}, "channels is 0"),
        ("a.wav", 0, {}, "sample_rate is 0"),
        ("a.wav", 16000.5, {}, "sample_rate is 16000.5"),
        (".", 16000, {}, "suffix"),
        ("folder.wav", 16000, {"overwrite": True}, "folder.wav is a folder"),
    ],
)
def test_what_a_format_cannot_hold(tmp_path, name, rate, options, value):
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(UsageError, match=value):
        AudioWriter(tmp_path / name, rate, **options)


def test_what_only_libsndfile_refuses(tmp_path):
    writer = AudioWriter(tmp_path / "a.flac", 16000, channels=9)
    with pytest.raises(WavecoreError, match="9 channels as PCM_16"):
        writer.__enter__()
    assert os.listdir(tmp_path) == []


def test_a_writer_is_open_in_its_with_block(tmp_path):
    writer = AudioWriter(tmp_path / "Ünï 笛子.WAV", 16000)
    with pytest.raises(UsageError, match="not open"):
        writer.write(noise(10))
    with writer:
        writer.write(noise(10))
    assert files.probe(tmp_path / "Ünï 笛子.WAV").format == "WAV"
    with pytest.raises(UsageError, match="not open"):
        writer.write(noise(10))


def test_a_wav_beyond_its_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_WAV_LIMIT_BYTES", 2000)
    with pytest.raises(UsageError, match="4 GiB"), AudioWriter(tmp_path / "a.wav", 16000) as writer:
        writer.write(noise(1000))
        writer.write(noise(1))
    assert os.listdir(tmp_path) == []
    assert write(tmp_path / "a.flac", noise(2000), 16000).frames == 2000


def test_a_full_disk_is_reported(tmp_path, monkeypatch):
    def refuse(*_args):
        raise soundfile.LibsndfileError(2, "")

    with pytest.raises(WavecoreError, match=r"a\.wav"), AudioWriter(tmp_path / "a.wav", 16000) as writer:
        monkeypatch.setattr(soundfile.SoundFile, "write", refuse)
        writer.write(noise(10))
    assert os.listdir(tmp_path) == []
