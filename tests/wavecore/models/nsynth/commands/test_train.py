"""``wavecore train nsynth``: sizes by flags, models to start from, contradictions."""

import functools
import json

import pytest

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.models.nsynth import pretrain_encoder, warm_start
from wavecore.models.nsynth.train import NSynthTask
from wavecore.nn.config import preset

SETTINGS = [f"--set={text}" for text in ("batch_size=2", "crop_frames=2", "validation_crops=1", "steps=1")]
SEED = ["--seed", "4"]
TINY = ["--preset", "tiny", *SETTINGS, *SEED]
UNCHANGED = "--set=learning_rate=1e-12"


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    """The folder of notes of 0.2 s, which are reconstructed quickly."""
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=3_200).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "nsynth", *words, "--device", "cpu")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder of a run of one step with two channels of pitch."""
    from wavecore.cli.main import main

    run = tmp_path_factory.mktemp("trained") / "m"
    words = ["train", "nsynth", "--data", data, "--out", run, *TINY, "--pitch-channels", "2", "--device", "cpu"]
    assert main([str(word) for word in words]) == 0
    return run


@pytest.fixture
def short_pretraining(monkeypatch):
    """Pretrain encoders for a few steps: what they learn is tested elsewhere."""
    monkeypatch.setattr(pretrain_encoder, "FRAMES", 3)
    for name in ("from_translation", "with_pretrained_encoder"):
        monkeypatch.setattr(warm_start, name, functools.partial(getattr(warm_start, name), steps=5))


def weights(run):
    return checkpoint.file_sha256(run / "last" / "model.safetensors")


def restarted(train, run, folder):
    """Resume a copy of a run that was killed before it first saved its state."""
    folder.mkdir()
    for name in ("settings.json", "command.json"):
        (folder / name).write_bytes((run / name).read_bytes())
    assert train("--out", folder, "--resume").code == 0
    return folder


@pytest.mark.slow
def test_a_run_leaves_model_samples_and_record(train, data, tmp_path):
    run = tmp_path / "runs" / "first"
    done = train("--data", data, "--out", run, *TINY, "--set=steps=3", "--set=validate_every=2")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{run / 'best'}: ") and "bits per sample" in done.out
    assert "3 steps of 0.1 s of sound; 10 notes; cqt encoder, 16 layers x 32 channels" in done.err
    model = checkpoint.load(run, kind="nsynth")
    assert model.network.config.decoder == preset("tiny") and model.network.config.pitch_channels == 0
    assert model.card["training"]["data"]["midi_range"] == [57, 72]
    samples = sorted(path.name for path in (run / "samples").iterdir())
    assert len(samples) == 4 + 2 * 4 and sum(name.startswith("step-00000003__") for name in samples) == 4
    assert files.probe(run / "samples" / "step-00000003__flute_acoustic_000-059-100.wav").frames == 3_072


@pytest.mark.parametrize(
    ("words", "name", "kind", "pitch_channels", "harmonics"),
    [
        ([], "small-nsynth", "cqt", 0, 0),
        (["--preset", "small", "--pitch-channels", "8"], "small-nsynth", "cqt", 8, 0),
        (["--preset", "tiny", "--encoder", "waveform", "--harmonics", "2"], "tiny", "waveform", 0, 2),
    ],
)
def test_sizes_are_those_of_the_flags(train, data, tmp_path, words, name, kind, pitch_channels, harmonics):
    done = train("--data", data, "--out", tmp_path / "run", *words, "--set", "crop_frames=2", "--dry-run", "--json")
    assert done.code == 0, done.err
    network, expected = json.loads(done.out)["network"], preset(name)
    assert network["decoder"]["residual_channels"] == expected.residual_channels
    assert network["decoder"]["dilation_cycles"] == expected.dilation_cycles
    assert (network["encoder"]["kind"], network["encoder"]["latent_channels"]) == (kind, expected.latent_channels)
    assert (network["pitch_channels"], network["harmonics"]) == (pitch_channels, harmonics)
    channels = expected.latent_channels + pitch_channels + (1 + 2 * harmonics if harmonics else 0)
    assert network["decoder"]["latent_channels"] == channels


@pytest.mark.slow
def test_a_run_is_resumed_with_its_own_flags_only(train, data, trained):
    words = ["--data", data, "--out", trained, *TINY, "--pitch-channels", "2", "--resume"]
    before = weights(trained)
    assert train(*words).code == 0
    for more, offending in (
        (["--set", "steps=2"], "training"),
        (["--preset", "small"], "--preset small"),
        (["--encoder", "waveform"], "--encoder"),
        (["--pitch-channels", "0"], "--pitch-channels"),
    ):
        done = train(*words, *more)
        assert done.code == 2 and offending in done.err, done.err
    assert weights(trained) == before


@pytest.mark.slow
def test_starting_from_a_model(train, data, trained, tmp_path):
    words = ["--data", data, "--init", trained, *SETTINGS, *SEED]
    assert train("--out", tmp_path / "run", *words, UNCHANGED).code == 0
    first, second = (checkpoint.load(folder, kind="nsynth") for folder in (trained, tmp_path / "run"))
    assert second.network.config == first.network.config
    state = second.network.state_dict()
    assert all((state[name] - tensor).abs().max() < 1e-9 for name, tensor in first.network.state_dict().items())
    record = json.loads((tmp_path / "run" / "command.json").read_text())
    assert (record["init"], record["init_sha256"]) == (str(trained / "best"), first.sha256)
    assert weights(restarted(train, tmp_path / "run", tmp_path / "again")) == weights(tmp_path / "run")
    for flag, value in (("--encoder", "waveform"), ("--pitch-channels", "0"), ("--preset", "nsynth")):
        done = train("--out", tmp_path / "no", *words, flag, value)
        assert done.code == 2 and "--init" in done.err and flag in done.err
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_the_encoder_of_a_model_is_pretrained(train, data, tmp_path, short_pretraining):
    first, run = tmp_path / "first", tmp_path / "run"
    assert train("--data", data, "--out", first, *TINY).code == 0
    words = ["--data", data, "--init", first, "--teach-encoder", *SETTINGS, *SEED]
    dry = train("--out", run, *words, "--dry-run")
    assert dry.code == 0 and not run.exists()
    done = train("--out", run, *words, UNCHANGED)
    assert done.code == 0 and "of the pitches" in done.err, done.err
    before, after = (checkpoint.load(folder, kind="nsynth").network.state_dict() for folder in (first, run))
    changed = {name for name in before if (before[name] - after[name]).abs().max() > 1e-6}
    assert changed and all(name.startswith(("encoder.", "expansion.")) for name in changed)
    assert json.loads((run / "command.json").read_text())["teach_encoder"] is True
    assert weights(restarted(train, run, tmp_path / "again")) == weights(run)


@pytest.mark.slow
def test_starting_from_a_translation_model_and_adding_an_oscillator(train, data, model, tmp_path, short_pretraining):
    first, run, both = (tmp_path / name for name in ("first", "run", "both"))
    shared = ["--data", data, *SETTINGS, *SEED]
    assert train("--out", first, "--init", model, *shared).code == 0
    old, config = checkpoint.load(model).network.config, checkpoint.load(first, kind="nsynth").network.config
    assert config.condition_channels == old.decoder.latent_channels and config.encoder.latent_channels == 16
    assert weights(restarted(train, first, tmp_path / "again")) == weights(first)
    for source, folder in ((first, run), (model, both)):
        done = train("--out", folder, "--init", source, *shared, "--harmonics", "3", "--set", "optimizer=muon")
        assert done.code == 0 and "the partials' levels by" in done.err, done.err
        driven = checkpoint.load(folder, kind="nsynth").network.config
        assert (driven.harmonics, driven.decoder.hop_length) == (3, 1) and driven.encoder == config.encoder
        assert driven.decoder.latent_channels == config.decoder.latent_channels + 6
    assert weights(restarted(train, run, tmp_path / "more")) == weights(run)
    # A model with an oscillator keeps it.
    assert train("--out", tmp_path / "new", "--init", run, *shared).code == 0
    assert checkpoint.load(tmp_path / "new", kind="nsynth").network.config == driven
    for more, offending in ((["--harmonics", "2"], "--harmonics"), (["--teach-encoder"], "pitch")):
        done = train("--out", tmp_path / "no", "--init", run, *shared, *more)
        assert done.code == 2 and offending in done.err


def test_an_interrupt_leaves_no_model(train, data, tmp_path, monkeypatch):
    def batch(self, step):
        raise KeyboardInterrupt

    monkeypatch.setattr(NSynthTask, "batch", batch)
    assert train("--data", data, "--out", tmp_path / "run", *TINY).code == 130
    assert not (tmp_path / "run" / "last").exists()


@pytest.mark.parametrize(
    ("words", "code", "offending"),
    [
        ([], 2, "wavecore data soundfont"),
        (["--data", "."], 3, "manifest.json"),
        (["--data", "{data}", "--set", "crop_frames=7"], 2, "3200"),
        (["--data", "{data}", "--set", "crop_frames=2", "--set", "skip_samples=1024"], 2, "skip_samples"),
        (["--data", "{data}", "--preset", "huge"], 2, "'huge'"),
        (["--data", "{data}", "--pitch-channels", "-1"], 2, "-1"),
        (["--data", "{data}", "--harmonics", "2", "--pitch-channels", "2"], 2, "harmonics"),
        (["--data", "{data}", "--encoder", "mel"], 2, "waveform"),
        (["--data", "{data}", "--init", "nowhere"], 4, "'nowhere'"),
        (["--data", "{data}", "--init", "{ear}"], 2, "note-classifier"),
        (["--data", "{data}", "--teach-encoder"], 2, "--init"),
    ],
)
def test_requests_that_make_no_sense(cli, data, ear, tmp_path, monkeypatch, words, code, offending):
    monkeypatch.chdir(tmp_path)
    done = cli("train", "nsynth", "--out", "run", *[word.format(data=data, ear=ear) for word in words])
    assert done.code == code and offending in done.err and done.out == "", done.err
    assert list(tmp_path.iterdir()) == []
