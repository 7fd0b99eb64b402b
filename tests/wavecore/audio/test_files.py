"""Reading: formats, rates, blocks, bad files."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import files
from wavecore.audio.resample import resampled_length
from wavecore.errors import InputError, UsageError

RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "audio"
FORMATS = ("wav", "flac", "ogg", "opus", "mp3")


def noise(n_samples, channels=None, seed=0):
    shape = n_samples if channels is None else (n_samples, channels)
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def written(path, x, rate, **options):
    soundfile.write(path, x, rate, **options)
    return path


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The same 12,345 samples of stereo in each format."""
    folder = tmp_path_factory.mktemp("short")
    for name in FORMATS:
        files.write(folder / f"口笛 é.{name}", noise(12345, 2), 16000)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_formats_keep_length_and_position(short, name):
    path = short / f"口笛 é.{name}"
    info = files.probe(path)
    assert (info.sample_rate, info.channels, info.frames, info.seconds) == (16000, 2, 12345, 12345 / 16000)
    x, rate = files.read(path, mono=False)
    assert rate == 16000 and x.shape == (12345, 2) and x.dtype == np.float32
    original = noise(12345, 2)
    best = np.argmax([np.sum(x[200 + lag : 12000 + lag] * original[200:12000]) for lag in range(-100, 101)])
    assert best == 100  # no codec shifts the sound
    if name in ("wav", "flac"):
        assert np.abs(x - original).max() <= 0.5 / 32768 * 1.001


def test_mono_is_the_mean_of_the_channels(tmp_path):
    path = written(tmp_path / "a.wav", noise(1001, 3), 22050, subtype="FLOAT")
    assert np.array_equal(files.read(path, mono=False)[0], noise(1001, 3))
    assert np.allclose(files.read(path)[0], noise(1001, 3).mean(axis=1), atol=1e-7)


@pytest.mark.parametrize(("rate", "mono"), [(8000, True), (16000, False), (22050, True), (44100, False), (48000, True)])
def test_reading_resamples(tmp_path, rate, mono):
    t = np.arange(22050) / 22050
    tone = 0.5 * np.sin(2 * np.pi * 440 * t).astype(np.float32)
    path = written(tmp_path / "a.wav", np.stack([tone, tone], 1), 22050, subtype="FLOAT")
    x, got = files.read(path, sample_rate=rate, mono=mono)
    assert got == rate and x.shape == ((rate,) if mono else (rate, 2)) and x.dtype == np.float32
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    assert np.abs((x.T - expected)[..., rate // 20 : -rate // 20]).max() < 1e-3


@pytest.mark.parametrize("rate", [None, 8000, 16000, 44100])
@pytest.mark.parametrize("block_frames", [1, 777, 10**6])
@pytest.mark.parametrize("name", ["wav", "mp3"])
def test_blocks_equal_the_whole(short, rate, block_frames, name):
    path = short / f"口笛 é.{name}"
    whole, _ = files.read(path, sample_rate=rate)
    blocks = list(files.stream(path, sample_rate=rate, block_frames=block_frames))
    assert all(len(block) == block_frames for block in blocks[:-1])
    assert 0 < len(blocks[-1]) <= block_frames
    assert len(whole) == resampled_length(12345, from_rate=16000, to_rate=rate or 16000)
    assert np.array_equal(np.concatenate(blocks), whole)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 3000), st.sampled_from([8000, 11025, 44101]), st.integers(1, 999))
def test_the_length_of_a_stream(tmp_path_factory, n_samples, rate, block_frames):
    path = tmp_path_factory.mktemp("any") / "a.wav"
    written(path, noise(n_samples), 16000, subtype="FLOAT")
    n_out = sum(map(len, files.stream(path, sample_rate=rate, block_frames=block_frames)))
    assert n_out == resampled_length(n_samples, from_rate=16000, to_rate=rate)


def test_memory_is_bounded_by_the_block(tmp_path):
    path = written(tmp_path / "long.wav", noise(900_000), 48000)
    list(files.stream(written(tmp_path / "warm.wav", noise(99), 48000), sample_rate=16000))
    tracemalloc.start()
    try:
        n_samples = sum(map(len, files.stream(path, sample_rate=16000, block_frames=1000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_samples == 300_000
    assert peak < 500_000  # the file has 3.6 MB as float32


def test_blocks_share_no_memory_and_keep_values_beyond_full_scale(tmp_path):
    path = written(tmp_path / "a.wav", 9 * noise(1000), 16000, subtype="FLOAT")
    blocks = list(files.stream(path, block_frames=300))
    blocks[0][:] = 0.0
    assert np.array_equal(np.concatenate(blocks[1:]), 9 * noise(1000)[300:])


BAD_FILES = [
    ("a.wav", b"", "0 bytes"),
    ("a.wav", b"hello\nworld", "'hello"),
    ("a.wav", ("é" * 300).encode(), "'é"),
    ("a.wav", ("x" + "笛" * 300).encode(), "'x笛"),
    ("a.wav", bytes(range(256)) * 4, r"\.wav, \.flac"),
    ("a.wav", b"RIFF" + bytes(100), r"\.wav, \.flac"),
    ("a.wav", b"\xff\xfb\x90\x00", r"\.wav, \.flac"),
    ("a b.m4a", bytes(range(256)), r"ffmpeg -i a b\.m4a"),
    ("a.raw", bytes(100), r"a\.raw .*header"),
]


@pytest.mark.parametrize("use", [files.probe, files.read, files.stream])
class TestBadFiles:
    """Each kind of bad file has its own message, in every function."""

    @pytest.mark.parametrize(("name", "content", "value"), BAD_FILES)
    def test_contents(self, use, tmp_path, name, content, value):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=value):
            use(tmp_path / name)

    def test_paths(self, use, tmp_path):
        (tmp_path / "trumpet.wav").touch()
        empty = written(tmp_path / "empty.wav", np.zeros(0, np.float32), 16000)
        for path, value in (
            (tmp_path / "trumpt.wav", r"trumpet\.wav\?"),
            (tmp_path, "is a folder"),
            ("/dev/null", "/dev/null is not"),
            (tmp_path / ("n" * 300 + ".wav"), "too long"),
            (empty, "0 samples"),
        ):
            with pytest.raises(InputError, match=value):
                use(path)

    def test_unreadable(self, use, tmp_path, monkeypatch):
        (tmp_path / "a.wav").write_bytes(b"x")

        def refuse(*_args, **_kwargs):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("builtins.open", refuse)
        with pytest.raises(InputError, match=r"a\.wav: Permission denied"):
            use(tmp_path / "a.wav")


def test_not_finite_samples_are_found(tmp_path):
    x = noise(20000)
    x[[9210, 9999]] = np.nan, np.inf
    path = written(tmp_path / "a.wav", x, 16000, subtype="FLOAT")
    with pytest.raises(InputError, match=r"2 of 20000 .*a\.wav .*index 9210;"):
        files.read(path)
    with pytest.raises(InputError, match=r"index \(9210, 0\);"):
        files.read(path, sample_rate=8000, mono=False)
    blocks = files.stream(path, block_frames=1000)
    assert len([next(blocks) for _ in range(3)]) == 3  # what lies before is good
    with pytest.raises(InputError, match="2 of 4096 .*index 9210;"):
        list(blocks)


@pytest.mark.parametrize(("name", "value"), [("a.flac", "a.flac is damaged"), ("a.mp3", "of the 50000 samples")])
def test_a_truncated_file_is_damaged(tmp_path, capfd, name, value):
    files.write(tmp_path / name, noise(50000), 16000)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=value):
        files.read(tmp_path / name)


@pytest.mark.parametrize("rate", [0, -8000, 44100.0])
def test_bad_rates_and_blocks(short, rate):
    for use in (files.read, files.stream):
        with pytest.raises(UsageError, match="sample_rate"):
            use(short / "口笛 é.wav", sample_rate=rate)
    with pytest.raises(UsageError, match="block_frames is 0"):
        files.stream(short / "口笛 é.wav", block_frames=0)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings are not at {RECORDINGS}")
@pytest.mark.parametrize(
    ("name", "rate", "seconds"), [("human-whistle.wav", 48000, 2.424), ("solo-trumpet.ogg", 44100, 5.333)]
)
def test_real_recordings(name, rate, seconds):
    info = files.probe(RECORDINGS / name)
    assert info.sample_rate == rate and info.seconds == pytest.approx(seconds, abs=1e-3)
    x, _ = files.read(RECORDINGS / name, sample_rate=16000)
    assert len(x) == resampled_length(info.frames, from_rate=rate, to_rate=16000)
    assert 0.1 < np.abs(x).max() < 1.2
