"""``wavecore train translation``: the network that its flags give, what a run leaves, where it starts."""

import json
from dataclasses import replace

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.console.flags import Parser
from wavecore.errors import UsageError
from wavecore.models.translation import pretrain
from wavecore.models.translation.commands.train import TRAIN, TrainTranslation
from wavecore.models.translation.data import BatchSource
from wavecore.nn.config import preset

SIZES = ("batch_size=2", "crop_frames=2", "validation_crops=1", "validate_every=2", "checkpoint_every=2")
SMALL = [*(word for size in SIZES for word in ("--set", size)), "--seed", "4"]
DOMAINS = ("whistle", "strings", "organ")


@pytest.fixture(scope="module")
def data(make_tunes, tmp_path_factory):
    """The folder of tunes in the tiny model's domains."""
    return make_tunes(tmp_path_factory.mktemp("tunes") / "data", domains=DOMAINS).path


@pytest.fixture
def train(cli, data):
    return lambda *words: cli("train", "translation", "--data", data, *words, "--device", "cpu")


class Data:
    domains = DOMAINS


def configured(words="", initial=None, before=None):
    """The network's configuration that flags give."""
    args = Parser("train", TRAIN).parse(["--out", "run", *words.split()])
    return TrainTranslation().network_config(args, Data, initial, before)


def test_defaults_are_small_cqt_and_a_decoder_per_domain():
    config = configured()
    assert config.domains == config.targets == DOMAINS and not config.shared_decoder
    assert config.decoder == preset("small") and config.encoder.kind == "cqt"
    assert (config.encoder.hop_length, config.encoder.latent_channels) == (800, 64)


def test_flags_choose_network_and_latent():
    config = configured("--preset tiny --encoder waveform --targets organ --shared-decoder")
    assert config.targets == ("organ",) and config.shared_decoder
    assert config.encoder.kind == "waveform" and config.encoder.hop_length == 512
    config = configured("--hop 320 --latent-channels 32 --latent-levels 5")
    assert (config.encoder.hop_length, config.decoder.hop_length, config.encoder.latent_levels) == (320, 320, 5)
    assert config.encoder.latent_channels == config.decoder.latent_channels == 32
    assert configured("--bottleneck notes").encoder.bottleneck == "notes"


def test_a_model_to_start_from_decides_the_sizes(network):
    initial = network(shared_decoder=True).config
    assert configured("--targets organ", initial) == replace(initial, targets=("organ",), shared_decoder=False)
    assert configured("--shared-decoder", initial) == initial


def test_a_pretrained_encoder_takes_all_domains_and_another_latent(network):
    initial = network().config
    config = configured("--teach-encoder --hop 80 --targets organ,whistle", initial)
    assert config.domains == DOMAINS and config.targets == ("organ", "whistle")
    assert config.decoder == replace(initial.decoder, hop_length=80)
    assert configured("--teach-encoder", initial).targets == initial.targets
    notes = replace(initial, encoder=replace(initial.encoder, bottleneck="notes", bottleneck_context=3))
    for words, left in (("", ("notes", 3)), (" --bottleneck none", ("", 0))):
        encoder = configured(f"--teach-encoder{words}", notes).encoder
        assert (encoder.bottleneck, encoder.bottleneck_context) == left


def test_a_resumed_run_keeps_its_network(network):
    config = network().config
    before = {"network": json.loads(json.dumps(config.to_dict()))}
    for words in ("", "--preset tiny --encoder cqt --targets strings,organ"):
        assert configured(words, None, before) == config


@pytest.mark.parametrize(
    ("words", "resumed", "fact"),
    [
        ("--targets orgen", None, "did you mean organ"),
        ("--preset huge", None, "huge"),
        ("--preset small", False, "--preset small"),
        ("--encoder waveform", False, "cqt encoder"),
        ("--targets whistle", False, "strings, organ"),
        ("--shared-decoder", False, "shared"),
        ("--hop 80", False, "--hop"),
        ("--hearing-frames 5", False, "--hearing-frames"),
        ("--preset small", True, "--preset small"),
        ("--targets organ", True, "strings, organ"),
        ("--shared-decoder", True, "shared"),
        ("--latent-levels 3", True, "--latent-levels"),
    ],
)
def test_flags_that_contradict_data_model_or_run(network, words, resumed, fact):
    config = network().config
    before = {"network": config.to_dict()} if resumed else None
    with pytest.raises(UsageError, match=fact):
        configured(words, config if resumed is False else None, before)


@pytest.mark.slow
def test_a_run_leaves_model_curves_samples_and_record(train, tmp_path):
    run = tmp_path / "runs" / "first"
    done = train("--out", run, "--preset", "tiny", *SMALL, "--set", "steps=3", "--targets", "organ,strings")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{run / 'best'}: ") and "3 steps of 0.1 s" in done.err
    assert "paired_probability" in done.err, "the data are paired, and the run does not use it"
    assert checkpoint.load(run).network.config.targets == ("organ", "strings")
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    names = {path.name for path in (run / "samples").iterdir()}
    assert {f"step-0000000{step}__{target}.wav" for step in (2, 3) for target in ("organ", "strings")} <= names
    assert files.probe(run / "samples" / "step-00000003__organ.wav").seconds > 0.1
    record = json.loads((run / "command.json").read_text())
    assert record["command"][:3] == ["wavecore", "train", "translation"] and record["init"] is None


@pytest.mark.slow
def test_a_run_starts_from_a_forked_model_also_if_it_was_stopped_before_it_saved(train, cli, network, tmp_path):
    checkpoint.save(network(shared_decoder=True), tmp_path / "shared")
    run, killed = tmp_path / "run", tmp_path / "killed"
    words = ["--init", tmp_path / "shared", *SMALL, "--set", "steps=2", "--set", "learning_rate=1e-9"]
    done = train("--out", run, *words)
    assert done.code == 0, done.err
    config = checkpoint.load(run).network.config
    assert not config.shared_decoder and config.targets == ("strings", "organ")
    forked = network(shared_decoder=True).fork().state_dict()
    for name, tensor in checkpoint.load(run).network.state_dict().items():
        np.testing.assert_allclose(tensor, forked[name], atol=1e-2 if name.startswith("classifier") else 1e-6)
    record = json.loads((run / "command.json").read_text())
    assert record["init"] == str(tmp_path / "shared")
    assert record["init_sha256"] == checkpoint.file_sha256(tmp_path / "shared" / "model.safetensors")
    killed.mkdir()
    for name in ("settings.json", "command.json"):
        (killed / name).write_bytes((run / name).read_bytes())
    assert cli("train", "translation", "--out", killed, "--resume", "--device", "cpu").code == 0
    first, second = (checkpoint.file_sha256(folder / "last" / "model.safetensors") for folder in (run, killed))
    assert first == second


def interrupt(monkeypatch):
    def batch(self, step):
        raise KeyboardInterrupt

    monkeypatch.setattr(BatchSource, "training_batch", batch)


@pytest.mark.slow
def test_unpaired_data_get_no_hint(cli, make_tunes, tmp_path, monkeypatch):
    unpaired = make_tunes(tmp_path / "unpaired", domains=DOMAINS, paired=False).path
    interrupt(monkeypatch)  # the hint comes before the first step
    done = cli("train", "translation", "--data", unpaired, "--out", tmp_path / "run", "--preset", "tiny", *SMALL)
    assert done.code == 130 and "paired_probability" not in done.err


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["--set", "stepps=3"], 2, "batch_size"),
        (["--set", "paired_probability=2"], 2, "paired_probability"),
        (["--targets", "orgna"], 2, "organ"),
        (["--init", "nowhere"], 4, "'nowhere'"),
        (["--encoder", "mel"], 2, "waveform"),
    ],
)
def test_requests_that_make_no_sense_claim_no_folder(train, tmp_path, words, code, fact):
    done = train("--out", tmp_path / "run", *words)
    assert done.code == code and fact in done.err and done.out == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("with_init", [True, False])
def test_an_encoder_is_pretrained_first_also_in_a_run_that_is_resumed(
    train, cli, network, tmp_path, monkeypatch, with_init
):
    genuine, starts = pretrain.with_pretrained_encoder, []

    def record(*args, **options):
        start = genuine(*args, **options)
        starts.append({name: tensor.clone() for name, tensor in start.network.state_dict().items()})  # before it trains
        return start

    monkeypatch.setattr(pretrain, "with_pretrained_encoder", record)
    checkpoint.save(network(), tmp_path / "old", training={"data": {}})
    init = ["--init", tmp_path / "old"] if with_init else ["--preset", "tiny"]
    words = [*init, "--teach-encoder", "--bottleneck", "notes", "--hop", "320", "--targets", "organ,whistle"]
    with monkeypatch.context() as patch:
        interrupt(patch)
        done = train("--out", tmp_path / "run", *words, *SMALL, "--set", "pretraining_steps=4", "--set", "steps=2")
    assert done.code == 130, done.err
    assert "F1" in done.err and ("whistle starts from" in done.err) == with_init
    assert len(starts) == 1
    assert json.loads((tmp_path / "run" / "command.json").read_text())["teach_encoder"]
    for folder in (tmp_path / "run" / "checkpoint").glob("*"):  # as if it was killed before it saved
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    done = cli("train", "translation", "--out", tmp_path / "run", "--resume", "--device", "cpu")
    assert done.code == 0, done.err
    start, again = starts
    assert all(tensor.equal(again[name]) for name, tensor in start.items())
    config = checkpoint.load(tmp_path / "run").network.config
    assert config.encoder.bottleneck == "notes" and config.targets == ("organ", "whistle")
