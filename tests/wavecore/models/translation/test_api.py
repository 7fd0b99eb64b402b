"""The model as a user has it: samples and files in, the same samples out; lengths, rates, blocks, octaves, refusals."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import wavecore
from wavecore import checkpoint
from wavecore.audio import files
from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.models.translation import sample
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.config import EncoderConfig, WaveNetConfig

RATE, HOP = 16_000, 160


def save_model(folder, kind="cqt", hop=HOP, **sizes):
    encoder = EncoderConfig(kind, 4, hop, channels=4, n_bins=96, fmin_hz=130.8, dilation_cycles=1, layers_per_cycle=3)
    decoder = WaveNetConfig(1, 3, 2, 4, 4, 4, 8, latent_channels=4, hop_length=hop, **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TranslationNetwork(TranslationConfig(("whistle", "low", "high"), ("low", "high"), encoder, decoder))
        for target in ("low", "high"):
            network.decoders[target].output.weight.data.normal_(std=0.3)
    data = {"level_db": -20.0, "midi_ranges": {"low": [48.0, 60.0], "high": [72.0, 84.0]}}
    checkpoint.save(network, folder, training={"data": data, "temperature": 0.9})
    return wavecore.load(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model") / "tiny")


def tone(seconds=0.5, frequency_hz=440.0, rate=RATE, channels=1):
    x = 0.2 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate)) / rate).astype(np.float32)
    return x if channels == 1 else np.stack([x] * channels, axis=1)


def write_tone(path, rate=RATE, **options):
    files.write(path, tone(rate=rate, **options), rate, subtype="FLOAT")
    return path


def test_the_model_shows_what_it_is(model):
    assert model.targets == ("low", "high") and model.domains == ("whistle", "low", "high") and model.rate == RATE
    assert repr(model).startswith("TranslationModel('tiny': to low, high; ")


@pytest.mark.slow
@pytest.mark.parametrize("rate_out", ["model", "native"])
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (16_000, 2), (44_100, 2)])
def test_samples_and_their_file_give_the_same_samples(model, tmp_path, rate, channels, rate_out):
    x = tone(0.3333, rate=rate, channels=channels)
    write_tone(tmp_path / "in.wav", seconds=0.3333, rate=rate, channels=channels)
    options = {"seed": 5, "rate_out": rate_out}
    (result,) = model.translate_file(tmp_path / "in.wav", {"low": tmp_path / "file.wav"}, **options)
    sound = model.translate(x, rate, to="low", **options)
    sound.write(tmp_path / "array.wav")
    assert (tmp_path / "array.wav").read_bytes() == (tmp_path / "file.wav").read_bytes()
    assert sound.rate == (rate if rate_out == "native" else RATE)
    assert len(sound.samples) == (len(x) if rate_out == "native" else -(-len(x) * RATE // rate))
    info = sound.info
    assert (info["model"], info["model_sha256"], info["domain"]) == ("tiny", model.sha256, "low")
    assert (info["seed"], info["temperature"]) == (5, 0.9)
    for name in ("octave_shift", "pitch_accuracy", "peak_db", "warnings"):
        assert info[name] == getattr(result, name)
    assert 0 <= result.pitch_accuracy <= 1


@pytest.mark.slow
def test_a_latent_decodes_to_the_translation(model):
    x = tone(0.305)
    latent = model.encode(x, RATE, octave=-1)
    assert latent.shape == (31, 4) and latent.dtype == np.float32
    progress = []
    sound = model.decode(latent, "high", seed=3, on_progress=lambda *done: progress.append(done))
    translated = model.translate(x, RATE, "high", octave=-1, seed=3)
    assert sound.samples.shape == (31 * HOP,) and sound.rate == RATE and progress[-1] == (31 * HOP, 31 * HOP)
    assert np.array_equal(sound.samples[: len(x)], translated.samples)
    drawn = model.decode(latent, "high", seed=3, draws=True)
    assert len(np.unique(drawn.samples)) <= 256 < len(np.unique(sound.samples))


@pytest.mark.slow
def test_a_seed_is_drawn_and_reported(model):
    first, second = (model.translate(tone(0.1), RATE, "low") for _ in range(2))
    assert first.info["seed"] != second.info["seed"]
    again = model.translate(tone(0.1), RATE, "low", seed=first.info["seed"])
    assert np.array_equal(again.samples, first.samples) and not np.array_equal(again.samples, second.samples)


@pytest.mark.slow
def test_outputs_have_the_input_s_length_and_the_model_s_rate(model, tmp_path):
    source = write_tone(tmp_path / "in.wav", seconds=0.5137)
    outputs = {name: tmp_path / f"{name}.wav" for name in ("low", "high")}
    progress = []
    results = model.translate_file(source, outputs, seed=3, on_progress=lambda *done: progress.append(done))
    assert [result.domain for result in results] == ["low", "high"]
    for result in results:
        info = files.probe(result.path)
        assert (info.sample_rate, info.frames, info.channels) == (RATE, int(0.5137 * RATE), 1)
        assert result.seconds == pytest.approx(0.5137, abs=1e-3) and result.samples_per_s > 0
        x, _ = files.read(result.path)
        assert result.peak_db == pytest.approx(20 * np.log10(np.abs(x).max()), abs=0.05)
    assert progress[-1] == (2 * int(0.5137 * RATE),) * 2
    first, second = (files.read(result.path)[0] for result in results)
    assert not np.array_equal(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("draws", [True, False])
def test_the_block_size_changes_no_sample(model, monkeypatch, draws):
    x, options = tone(0.08), {"to": "low", "seed": 1, "backend": "reference", "draws": draws}
    whole = model.translate(x, RATE, **options).samples
    for block_frames in (1, 3):
        monkeypatch.setattr(sample, "BLOCK_SAMPLES", HOP * block_frames)
        parts = model.translate(x, RATE, **options).samples
        # The last bit of a latent may depend on the block and decide a draw on an edge, and with it all that follow.
        assert whole.shape == parts.shape and np.abs(whole[:HOP] - parts[:HOP]).max() <= (0 if draws else 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "octave", "shift", "warned"),
    [("low", None, -3, False), ("high", "auto", -1, False), ("low", 0, 0, True), ("low", -3, -3, False)],
)
def test_the_octave_is_found_or_given(model, target, octave, shift, warned):
    info = model.translate(tone(0.2, frequency_hz=1760.0), RATE, target, seed=0, octave=octave).info  # A6, MIDI 93
    assert info["octave_shift"] == shift and bool(info["warnings"]) == warned
    if warned:
        (warning,) = info["warnings"]
        assert all(fact in warning for fact in ("100%", "low", "MIDI 48-60", "octave -3", "0%"))


def test_pitch_accuracy_needs_a_pitch(model):
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE // 2).astype(np.float32)
    accuracy = model.translate(noise, RATE, "low", seed=0).info["pitch_accuracy"]
    assert accuracy is None or 0 <= accuracy <= 1


@pytest.mark.slow
def test_a_waveform_model_is_not_moved_and_refuses_to_be(tmp_path):
    model = save_model(tmp_path / "model", kind="waveform")
    x = tone(0.2, frequency_hz=1760.0)
    assert model.translate(x, RATE, "low", seed=0).info["octave_shift"] == 0
    with pytest.raises(UsageError, match="octave"):
        model.translate(x, RATE, "low", octave=1)


@pytest.mark.parametrize(
    ("options", "error", "fact"),
    [
        ({"to": "kazoo"}, UsageError, "'kazoo'.*low, high"),
        ({"rate_out": "cd"}, UsageError, "'cd'"),
        ({"octave": "up"}, UsageError, "'up'"),
        ({"backend": "none"}, UsageError, "'none'"),
        ({"device": "tpu"}, UsageError, "'tpu'"),
        ({"x": np.zeros(RATE)}, InputError, "-70 dB"),
        ({"x": np.full(9, 0.1)}, InputError, "0.010 s"),
        ({"x": np.array([0.1, np.nan])}, InputError, "NaN"),
    ],
)
def test_sounds_and_options_that_make_no_sense(model, options, error, fact):
    with pytest.raises(error, match=fact):
        model.translate(**{"x": tone(0.1), "rate": RATE, "to": "low"} | options)


@pytest.mark.parametrize(("latent", "to"), [(np.zeros((3, 5)), "low"), (np.zeros(4), "low"), (np.zeros((3, 4)), "no")])
def test_latents_that_do_not_fit(model, latent, to):
    with pytest.raises(UsageError):
        model.decode(latent, to)


def test_files_that_cannot_be_are_refused_before_any_work(model, tmp_path):
    source = write_tone(tmp_path / "in.wav")
    before = source.read_bytes()
    (tmp_path / "there.wav").write_bytes(b"kept")
    new, there = tmp_path / "new.wav", tmp_path / "there.wav"
    for read, outputs, options, error in (
        (source, {"kazoo": new}, {}, UsageError),
        (source, {}, {}, UsageError),
        (source, {"low": source}, {"overwrite": True}, UsageError),
        (source, {"low": new, "high": new}, {}, UsageError),
        (source, {"low": there}, {}, OutputExistsError),
        (tmp_path / "missing.wav", {"low": new}, {}, InputError),
    ):
        with pytest.raises(error):
            model.translate_file(read, outputs, seed=0, **options)
    assert there.read_bytes() == b"kept" and source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav", "there.wav"]


def test_an_interrupt_leaves_no_file(model, tmp_path):
    source = write_tone(tmp_path / "in.wav")

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.translate_file(source, {"low": tmp_path / "o.wav"}, seed=0, on_progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]


MEMORY_SCRIPT = """
import resource, sys
import wavecore
model = wavecore.load(sys.argv[1])
peaks = []
for source in sys.argv[2:]:
    model.translate_file(source, {"low": source + ".out.wav"}, seed=0)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(*peaks)
"""


@pytest.mark.slow
def test_ten_minutes_take_no_more_memory_than_one(tmp_path):
    """The pitch is tracked in six excerpts, so 70 seconds already need as much memory as any length."""
    model = save_model(tmp_path / "model", hop=800, n_classes=16)  # a small softmax: the longer one is 9.6 M draws
    for name, seconds in (("short.wav", 70), ("long.wav", 600)):
        with files.AudioWriter(tmp_path / name, RATE) as writer:
            for second in range(seconds):
                writer.write(tone(1.0, 440 + second % 7 * 20))
    command = [sys.executable, "-P", "-c", MEMORY_SCRIPT, model.path, tmp_path / "short.wav", tmp_path / "long.wav"]
    peaks = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout
    short_kib, long_kib = (int(word) for word in peaks.split())
    assert files.probe(tmp_path / "long.wav.out.wav").frames == 600 * RATE
    assert long_kib - short_kib < 16 * 1024, "its samples as float32 alone are 37 MiB"
