"""Translation as a whole: lengths, rates, chunks, octaves, refusals, memory."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.models.translation import translate
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNetConfig

RATE, HOP = 16_000, 160


def _save_model(folder, kind="cqt", hop=HOP, **sizes):
    encoder = EncoderConfig(kind, 4, hop, channels=4, n_bins=96, fmin_hz=130.8, dilation_cycles=1, layers_per_cycle=3)
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=4, hop_length=hop, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TranslationNetwork(TranslationConfig(("whistle", "low", "high"), ("low", "high"), encoder, decoder))
        for target in ("low", "high"):
            network.decoders[target].output.weight.data.normal_(std=0.3)
    data = {"level_db": -20.0, "midi_ranges": {"low": [48.0, 60.0], "high": [72.0, 84.0]}}
    checkpoint.save(network, folder, training={"data": data})
    return checkpoint.load(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return _save_model(tmp_path_factory.mktemp("model"))


def _write_tone(path, seconds=0.5, frequency_hz=440.0, rate=RATE, channels=1):
    x = 0.2 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate)) / rate)
    x = x.astype(np.float32)
    files.write(path, x if channels == 1 else np.stack([x] * channels, axis=1), rate)
    return path


def test_outputs_have_the_input_s_length_and_the_model_s_rate(model, tmp_path):
    source = _write_tone(tmp_path / "in.wav", seconds=0.5137)
    outputs = {name: tmp_path / f"{name}.wav" for name in ("low", "high")}
    seen = []
    results = translate.translate_file(model, source, outputs, seed=3, on_progress=lambda *p: seen.append(p))
    assert [result.domain for result in results] == ["low", "high"]
    for result in results:
        info = files.probe(result.path)
        assert (info.sample_rate, info.frames, info.channels) == (RATE, int(0.5137 * RATE), 1)
        assert result.seconds == pytest.approx(0.5137, abs=1e-3) and result.samples_per_s > 0
        x, _ = files.read(result.path)
        assert result.peak_db == pytest.approx(20 * np.log10(np.abs(x).max()), abs=0.05)
    assert seen[-1] == (2 * int(0.5137 * RATE),) * 2
    first, second = (files.read(result.path)[0] for result in results)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_native_rate_keeps_rate_and_length_of_a_stereo_file(model, tmp_path, rate):
    source = _write_tone(tmp_path / "in.wav", seconds=0.3333, rate=rate, channels=2)
    translate.translate_file(model, source, {"low": tmp_path / "out.flac"}, seed=0, rate="native")
    info = files.probe(tmp_path / "out.flac")
    assert (info.sample_rate, info.frames) == (rate, files.probe(source).frames)


def test_the_seed_decides_every_sample(model, tmp_path):
    source = _write_tone(tmp_path / "in.wav")
    sounds = []
    for number, seed in enumerate((1, 1, 2)):
        translate.translate_file(model, source, {"low": tmp_path / f"{number}.wav"}, seed=seed)
        sounds.append((tmp_path / f"{number}.wav").read_bytes())
    assert sounds[0] == sounds[1] != sounds[2]


@pytest.mark.parametrize("draws", [True, False])
@pytest.mark.parametrize("block_frames", [1, 7, 1000])
def test_the_block_size_changes_no_sample(model, tmp_path, monkeypatch, block_frames, draws):
    source = _write_tone(tmp_path / "in.wav", seconds=0.47)
    options = {"seed": 1, "backend": "reference", "draws": draws}
    translate.translate_file(model, source, {"low": tmp_path / "a.wav"}, **options)
    monkeypatch.setattr(translate, "BLOCK_SAMPLES", HOP * block_frames)
    translate.translate_file(model, source, {"low": tmp_path / "b.wav"}, **options)
    a, b = (files.read(tmp_path / name)[0] for name in ("a.wav", "b.wav"))
    # A latent that differs in its last bit can tip a draw that lies on an edge, and what follows it; what was expected
    # it moves by as little, which can be a step of the 16 bits that are written.
    assert a.shape == b.shape
    assert np.abs(a[:HOP] - b[:HOP]).max() <= (0 if draws else 2**-15)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=8),
    hop_length=st.integers(1, 40),
    context_frames=st.integers(0, 4),
)
def test_windows_cover_the_sound_with_its_context(sizes, hop_length, context_frames):
    x = np.arange(1, sum(sizes) + 1, dtype=np.float32)
    blocks = iter(np.split(x, np.cumsum(sizes)[:-1]))
    windows = list(translate.frame_windows(blocks, hop_length=hop_length, context_frames=context_frames))
    margin = context_frames * hop_length
    inner = np.concatenate([window[margin : len(window) - margin] for window in windows])
    n_frames = -(-len(x) // hop_length)
    assert np.array_equal(inner, np.pad(x, (0, n_frames * hop_length - len(x))))
    padded = np.pad(x, (margin, margin + n_frames * hop_length - len(x)))
    position = 0
    for window in windows:
        assert np.array_equal(window, padded[position : position + len(window)])
        position += len(window) - 2 * margin


def test_the_octave_is_found_and_said(model, tmp_path):
    source = _write_tone(tmp_path / "in.wav", frequency_hz=1760.0)  # A6, MIDI 93
    outputs = {name: tmp_path / f"{name}.wav" for name in ("low", "high")}
    results = {r.domain: r for r in translate.translate_file(model, source, outputs, seed=0)}
    assert (results["low"].octave_shift, results["high"].octave_shift) == (-3, -1)
    assert results["low"].warnings == () and results["high"].warnings == ()
    (result,) = translate.translate_file(model, source, {"low": tmp_path / "x.wav"}, seed=0, octave=0)
    assert result.octave_shift == 0
    assert "100% of the pitches lie outside the range of low, MIDI 48-60; --octave -3 would leave 0%" in result.warnings


def test_pitch_accuracy_needs_a_pitch(model, tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE // 2).astype(np.float32)
    files.write(tmp_path / "noise.wav", noise, RATE)
    (result,) = translate.translate_file(model, tmp_path / "noise.wav", {"low": tmp_path / "o.wav"}, seed=0)
    assert result.pitch_accuracy is None or 0 <= result.pitch_accuracy <= 1
    (result,) = translate.translate_file(model, _write_tone(tmp_path / "t.wav"), {"low": tmp_path / "p.wav"}, seed=0)
    assert 0 <= result.pitch_accuracy <= 1


def test_a_waveform_model_is_not_moved_and_refuses_to_be(tmp_path):
    model = _save_model(tmp_path / "model", kind="waveform")
    source = _write_tone(tmp_path / "in.wav", frequency_hz=1760.0)
    (result,) = translate.translate_file(model, source, {"low": tmp_path / "a.wav"}, seed=0)
    assert result.octave_shift == 0
    with pytest.raises(UsageError, match="cannot shift octaves"):
        translate.translate_file(model, source, {"low": tmp_path / "b.wav"}, seed=0, octave=1)
    assert not (tmp_path / "b.wav").exists()


def test_requests_that_cannot_be_done_are_refused_before_any_work(model, tmp_path):
    source = _write_tone(tmp_path / "in.wav")
    before = source.read_bytes()
    with pytest.raises(UsageError, match="no domain 'kazoo'; it generates low, high"):
        translate.translate_file(model, source, {"kazoo": tmp_path / "k.wav"}, seed=0)
    with pytest.raises(UsageError, match="no target domain"):
        translate.translate_file(model, source, {}, seed=0)
    with pytest.raises(UsageError, match="'cd'"):
        translate.translate_file(model, source, {"low": tmp_path / "k.wav"}, seed=0, rate="cd")
    with pytest.raises(UsageError, match="the output equals the input"):
        translate.translate_file(model, source, {"low": source}, seed=0, overwrite=True)
    with pytest.raises(UsageError, match="same file"):
        translate.translate_file(model, source, {"low": tmp_path / "k.wav", "high": tmp_path / "k.wav"}, seed=0)
    (tmp_path / "there.wav").write_bytes(b"kept")
    with pytest.raises(OutputExistsError, match="there.wav exists already"):
        translate.translate_file(model, source, {"low": tmp_path / "there.wav"}, seed=0)
    with pytest.raises(InputError):
        translate.translate_file(model, tmp_path / "missing.wav", {"low": tmp_path / "k.wav"}, seed=0)
    assert (tmp_path / "there.wav").read_bytes() == b"kept" and source.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.wav", "there.wav"]


def test_an_interrupt_leaves_no_file(model, tmp_path):
    source = _write_tone(tmp_path / "in.wav", seconds=1.0)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        translate.translate_file(model, source, {"low": tmp_path / "o.wav"}, seed=0, on_progress=interrupt)
    assert [p.name for p in tmp_path.iterdir()] == ["in.wav"]


MEMORY_SCRIPT = """
import resource, sys
from wavecore.models import checkpoint
from wavecore.models.translation.translate import translate_file
model = checkpoint.load(sys.argv[1])
peaks = []
for source in sys.argv[2:]:
    translate_file(model, source, {"low": source + ".out.wav"}, seed=0)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(*peaks)
"""


@pytest.mark.slow
def test_an_hour_takes_no_more_memory_than_two_minutes(tmp_path):
    """The pitch is tracked in six excerpts, so two minutes already need all the memory there is to need."""
    model = _save_model(tmp_path / "model", hop=800, n_classes=16)  # a small softmax: an hour is 57.6 M draws
    for name, seconds in (("short.wav", 120), ("hour.wav", 3600)):
        with files.AudioWriter(tmp_path / name, RATE) as writer:
            for second in range(seconds):
                t = np.arange(RATE) / RATE
                writer.write((0.2 * np.sin(2 * np.pi * (440 + second % 7 * 20) * t)).astype(np.float32))
    command = [sys.executable, "-P", "-c", MEMORY_SCRIPT, model.path, tmp_path / "short.wav", tmp_path / "hour.wav"]
    found = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    short_kib, hour_kib = (int(word) for word in found.split())
    assert files.probe(tmp_path / "hour.wav.out.wav").frames == 3600 * RATE
    assert hour_kib - short_kib < 64 * 1024, "an hour of float32 at 16 kHz alone would be 225 MiB"
