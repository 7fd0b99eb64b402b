"""``wavecore train nsynth`` from start to end, and what it refuses."""

import functools
import json

import pytest

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier
from wavecore.models.nsynth import pretrain_encoder, warm_start
from wavecore.models.nsynth.train import NSynthTask
from wavecore.nn.config import preset

SMALL = [
    "--preset", "tiny", "--set", "batch_size=2", "--set", "crop_frames=2", "--set", "validation_crops=1",
    "--set", "validate_every=2", "--set", "checkpoint_every=2", "--seed", "4",
]  # fmt: skip
UNSIZED = SMALL[2:]


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    """The folder of notes of 0.2 s, which are said again quickly."""
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=3_200).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "nsynth", *words, "--device", "cpu")


@pytest.fixture
def trained(train, data, tmp_path):
    """The folder of a run of one step with two channels of pitch."""
    assert train("--data", data, "--out", tmp_path / "m", *SMALL, "--pitch-channels", "2", "--set", "steps=1").code == 0
    return tmp_path / "m"


@pytest.fixture
def short_lessons(monkeypatch):
    """Let encoders be taught for a few steps: whether they learn is asked elsewhere."""
    monkeypatch.setattr(pretrain_encoder, "FRAMES", 3)
    for name in ("from_translation", "with_taught_encoder"):
        monkeypatch.setattr(warm_start, name, functools.partial(getattr(warm_start, name), steps=20))


def interrupt_at(monkeypatch, step):
    genuine = NSynthTask.batch

    def batch(self, number):
        if number == step:
            raise KeyboardInterrupt
        return genuine(self, number)

    monkeypatch.setattr(NSynthTask, "batch", batch)


def weights(run):
    return checkpoint.file_sha256(run / "last" / "model.safetensors")


def test_a_run_leaves_model_curves_samples_and_record(train, data, tmp_path):
    run = tmp_path / "runs" / "first"
    done = train("--data", data, "--out", run, *SMALL, "--set", "steps=3")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{run / 'best'}: ") and "bits per sample" in done.out
    assert "3 steps of 0.1 s of sound; 10 notes; cqt encoder, 16 layers x 32 channels" in done.err
    assert "step 2: " in done.err and "step 3: " in done.err
    model = checkpoint.load(run, kind="nsynth")
    assert model.network.config.decoder == preset("tiny") and model.network.config.pitch_channels == 0
    assert model.card["training"]["data"]["midi_range"] == [57, 72]
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    samples = sorted(path.name for path in (run / "samples").iterdir())
    assert len(samples) == 4 + 2 * 4 and sum(name.startswith("step-00000003__") for name in samples) == 4
    assert files.probe(run / "samples" / "step-00000003__flute_acoustic_000-059-100.wav").frames == 3_072
    record = json.loads((run / "command.json").read_text())
    assert record["command"][:3] == ["wavecore", "train", "nsynth"] and record["init"] is None
    assert json.loads((run / "settings.json").read_text())["training"]["seed"] == 4


@pytest.mark.parametrize(
    ("words", "name", "kind", "pitch_channels"),
    [
        ([], "small-nsynth", "cqt", 0),
        (["--preset", "small", "--pitch-channels", "8"], "small-nsynth", "cqt", 8),
        (["--preset", "tiny", "--encoder", "waveform"], "tiny", "waveform", 0),
    ],
)
def test_sizes_are_those_of_the_flags(train, data, tmp_path, monkeypatch, words, name, kind, pitch_channels):
    interrupt_at(monkeypatch, 0)  # what is written before the first step is all that is looked at
    done = train("--data", data, "--out", tmp_path / "run", *words, "--set", "crop_frames=2")
    assert done.code == 130
    found = json.loads((tmp_path / "run" / "settings.json").read_text())["network"]
    wanted = preset(name)
    assert found["decoder"]["residual_channels"] == wanted.residual_channels
    assert found["decoder"]["dilation_cycles"] == wanted.dilation_cycles
    assert (found["encoder"]["kind"], found["encoder"]["latent_channels"]) == (kind, wanted.latent_channels)
    assert found["pitch_channels"] == pitch_channels
    assert found["decoder"]["latent_channels"] == wanted.latent_channels + pitch_channels


def test_json_is_one_document(train, data, tmp_path):
    done = train("--data", data, "--out", tmp_path / "run", *SMALL, "--set", "steps=1", "--json", "-q")
    found = json.loads(done.out)
    assert done.code == 0 and done.err == ""
    assert found["model"] == str(tmp_path / "run" / "best") and found["summary"]["steps"] == 1


@pytest.mark.slow
def test_interrupted_and_resumed_is_as_if_it_had_not_been(train, data, tmp_path, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "a run"
    words = ["--data", data, *SMALL, "--set", "steps=4"]
    assert train("--out", whole, *words).code == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        done = train("--out", parted, *words)
    assert done.code == 130
    assert f"to go on: wavecore train nsynth --out '{parted}' --resume" in done.err
    assert train("--out", parted, *words).code == 6  # nothing is replaced
    done = train("--out", parted, "--resume")
    assert done.code == 0, done.err
    assert weights(parted) == weights(whole)


def test_resuming_with_the_same_words_is_fine_and_with_others_is_not(train, data, trained):
    words = ["--data", data, "--out", trained, *SMALL, "--pitch-channels", "2", "--set", "steps=1", "--resume"]
    before = weights(trained)
    done = train(*words)
    assert done.code == 0 and "nothing was left to do" in done.out
    for more, says in (
        (["--set", "steps=2"], "other settings"),
        (["--preset", "small"], "the run has a decoder of another size than --preset small"),
        (["--encoder", "waveform"], "the run has cqt where --encoder says waveform"),
        (["--pitch-channels", "0"], "the run has 2 where --pitch-channels says 0"),
    ):
        done = train(*words, *more)
        assert done.code == 2 and says in done.err, done.err
    assert weights(trained) == before


def test_starting_from_a_model(train, data, trained, tmp_path):
    run = tmp_path / "run"
    slow = ["--set", "steps=1", "--set", "learning_rate=1e-12"]
    done = train("--data", data, "--out", run, "--init", trained, *UNSIZED, *slow)
    assert done.code == 0, done.err
    first, second = (checkpoint.load(folder, kind="nsynth") for folder in (trained, run))
    assert second.network.config == first.network.config
    state = second.network.state_dict()
    assert all((state[name] - tensor).abs().max() < 1e-9 for name, tensor in first.network.state_dict().items())
    record = json.loads((run / "command.json").read_text())
    assert (record["init"], record["init_sha256"]) == (str(trained / "best"), first.sha256)
    for flag, value in (("--encoder", "waveform"), ("--pitch-channels", "0"), ("--preset", "nsynth")):
        done = train("--data", data, "--out", tmp_path / "no", "--init", trained, *UNSIZED, flag, value)
        assert done.code == 2 and "the model of --init has" in done.err and flag in done.err
    assert not (tmp_path / "no").exists()


def test_a_run_that_was_stopped_before_it_saved_starts_from_its_model_again(train, data, trained, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train("--out", whole, "--data", data, "--init", trained, *UNSIZED, "--set", "steps=2").code == 0
    killed.mkdir()
    for name in ("settings.json", "command.json"):
        (killed / name).write_bytes((whole / name).read_bytes())
    assert train("--out", killed, "--resume").code == 0
    assert weights(killed) == weights(whole)


def test_starting_from_a_translation_model(train, data, model, tmp_path, short_lessons):
    run, again = tmp_path / "run", tmp_path / "again"
    done = train("--data", data, "--out", run, "--init", model, *UNSIZED, "--set", "steps=2")
    assert done.code == 0 and "the encoder misses" in done.err, done.err
    old, found = checkpoint.load(model).network.config, checkpoint.load(run, kind="nsynth").network.config
    assert found.condition_channels == old.decoder.latent_channels and found.encoder.latent_channels == 16
    again.mkdir()
    for name in ("settings.json", "command.json"):
        (again / name).write_bytes((run / name).read_bytes())
    assert train("--out", again, "--resume").code == 0
    assert weights(again) == weights(run)


def test_the_encoder_of_a_model_is_taught_first(train, data, tmp_path, short_lessons):
    slow = ["--set", "steps=1", "--set", "learning_rate=1e-12"]
    trained, run, again = tmp_path / "m", tmp_path / "run", tmp_path / "again"
    assert train("--data", data, "--out", trained, *SMALL, "--set", "steps=1").code == 0
    done = train("--data", data, "--out", run, "--init", trained, "--teach-encoder", *UNSIZED, *slow)
    assert done.code == 0 and "of the pitches" in done.err, done.err
    before, after = (checkpoint.load(folder, kind="nsynth").network.state_dict() for folder in (trained, run))
    changed = {name for name in before if (before[name] - after[name]).abs().max() > 1e-6}
    assert changed and all(name.startswith(("encoder.", "expansion.")) for name in changed)
    assert json.loads((run / "command.json").read_text())["teach_encoder"] is True
    again.mkdir()
    for name in ("settings.json", "command.json"):
        (again / name).write_bytes((run / name).read_bytes())
    assert train("--out", again, "--resume").code == 0
    assert weights(again) == weights(run)


def test_a_decoder_is_given_an_oscillator(train, data, model, tmp_path, short_lessons):
    first, run, again, new = (tmp_path / name for name in ("first", "run", "again", "new"))
    wanted = ["--harmonics", "3", *UNSIZED, "--set", "steps=1", "--set", "optimizer=muon"]
    assert train("--data", data, "--out", first, "--init", model, *UNSIZED, "--set", "steps=1").code == 0
    old = checkpoint.load(first, kind="nsynth").network.config
    for source, folder in ((first, run), (model, tmp_path / "translated")):
        done = train("--data", data, "--out", folder, "--init", source, *wanted)
        assert done.code == 0 and "and the partials' levels by" in done.err, done.err
        found = checkpoint.load(folder, kind="nsynth").network.config
        assert (found.harmonics, found.decoder.hop_length) == (3, 1) and found.encoder == old.encoder
        assert found.decoder.latent_channels == old.decoder.latent_channels + 6
    again.mkdir()
    for name in ("settings.json", "command.json"):
        (again / name).write_bytes((run / name).read_bytes())
    assert train("--out", again, "--resume").code == 0
    assert weights(again) == weights(run)
    # A model that has one keeps it, and another one contradicts it.
    assert train("--data", data, "--out", new, "--init", run, *UNSIZED, "--set", "steps=1").code == 0
    assert checkpoint.load(new, kind="nsynth").network.config == found
    done = train("--data", data, "--out", tmp_path / "no", "--init", run, *UNSIZED, "--harmonics", "2")
    assert done.code == 2 and "has 3 where --harmonics says 2" in done.err
    done = train("--data", data, "--out", tmp_path / "no", "--init", run, *UNSIZED, "--teach-encoder")
    assert done.code == 2 and "told the pitch has no use" in done.err
    done = train("--data", data, "--out", tmp_path / "alone", *SMALL, "--harmonics", "2", "--set", "steps=1")
    assert done.code == 0 and checkpoint.load(tmp_path / "alone", kind="nsynth").network.config.harmonics == 2


def test_a_new_encoder_has_nothing_to_be_taught_near(train, data, tmp_path):
    done = train("--data", data, "--out", tmp_path / "run", "--teach-encoder", *UNSIZED)
    assert done.code == 2 and "the encoder of the model of --init" in done.err and not (tmp_path / "run").exists()


def test_a_model_or_a_run_of_another_kind_is_refused(train, data, trained, model, tmp_path):
    ear = tmp_path / "ear"
    checkpoint.save(NoteClassifier(NoteClassifierConfig(("flute",), ("acoustic",), ("bright",), channels=4)), ear)
    done = train("--data", data, "--out", tmp_path / "run", "--init", ear, *UNSIZED)
    assert done.code == 2 and "is of kind note-classifier" in done.err
    settings = json.loads((trained / "settings.json").read_text())
    settings["network"] = checkpoint.load(model).network.config.to_dict()
    (trained / "settings.json").write_text(json.dumps(settings))
    done = train("--out", trained, "--resume")
    assert done.code == 2 and "another kind of network" in done.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "`wavecore data soundfont` builds some"),
        (["--resume"], 3, "no run to resume"),
        (["--data", "."], 3, "manifest.json"),
        (["--data", "{data}", "--set", "stepps=3"], 2, "batch_size"),
        (["--data", "{data}", "--set", "steps=many"], 2, "'many'"),
        (["--data", "{data}", "--set", "crop_frames=7"], 2, "longer than a note of 3200 samples"),
        (["--data", "{data}", "--set", "crop_frames=2", "--set", "skip_samples=1024"], 2, "skip_samples is 1024"),
        (["--data", "{data}", "--preset", "huge"], 2, "'huge'"),
        (["--data", "{data}", "--pitch-channels", "-1"], 2, "must not be negative, not -1"),
        (["--data", "{data}", "--pitch-channels", "two"], 2, "two"),
        (["--data", "{data}", "--harmonics", "-2"], 2, "--harmonics must not be negative, not -2"),
        (["--data", "{data}", "--harmonics", "2", "--pitch-channels", "2"], 2, "not by both"),
        (["--data", "{data}", "--init", "nowhere"], 4, "'nowhere'"),
        (["--data", "{data}", "--device", "cuda:63"], 5, "cuda:63"),
        (["--data", "{data}", "--encoder", "mel"], 2, "waveform"),
    ],
)
def test_what_cannot_be_trained(cli, data, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    done = cli("train", "nsynth", "--out", "run", *[word.format(data=data) for word in words])
    assert done.code == code and says in done.err and done.out == "", done.err
    assert list(tmp_path.iterdir()) == []
