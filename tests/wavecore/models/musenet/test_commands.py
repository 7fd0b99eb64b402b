"""``wavecore compose musenet``, ``train musenet`` and ``evaluate symbolic`` from start to end, and what they refuse."""

import json

import pytest

from wavecore import checkpoint
from wavecore.models import base
from wavecore.models.musenet import critic, evaluate
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Part, Song

SMALL = "--preset tiny --channels 8 --layers 1 --context 20 --patterns strided,dense --seed 4"
SHORT = "--set batch_size=2 --set validation_crops=2 --set validate_every=2 --set checkpoint_every=2"
NEW = [*SMALL.split(), *SHORT.split()]


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "musenet", *words, "--device", "cpu")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def trained(train, songs, runs):
    """The folder of a run of three steps, and what it printed."""
    if not (runs / "m").exists():
        done = train("--data", songs.path, "--out", runs / "m", *NEW, "--set", "steps=3", "--recompute")
        assert done.code == 0, done.err
        (runs / "printed").write_text(done.out + done.err)
    return runs / "m"


@pytest.mark.slow
def test_a_run_leaves_model_curves_and_styles_and_is_continued(train, trained, runs):
    printed = (runs / "printed").read_text()
    for fact in ("bits per token", "3 steps of 2 windows of 20 tokens; 12 pieces", "by counting pairs", "MFLOP"):
        assert fact in printed, printed
    model = checkpoint.load(trained, kind="musenet")
    config = model.network.config
    assert (config.n_layers, config.channels, config.context) == (1, 8, 20) and not config.critic
    assert config.patterns == ("strided", "dense") and config.styles == ("fifths", "scales")
    assert model.card["training"]["settings"]["transpose_semitones"] == 5.0
    assert model.card["training"]["settings"]["validation_windows"] == 2
    assert (trained / "curves.png").is_file() and (trained / "styles.png").is_file()
    assert train("--out", trained, "--resume").code == 0


def test_embeddings_can_be_left_out(train, songs, tmp_path):
    for words, embeddings in (("none", ()), ("time,chord", ("time", "chord"))):
        done = train("--data", songs.path, "--out", tmp_path / "x", *NEW, "--embeddings", words, "--dry-run", "--json")
        assert done.code == 0 and json.loads(done.out)["network"]["embeddings"] == list(embeddings), done.err


@pytest.mark.slow
def test_a_critic_is_added_used_and_left_behind(cli, train, songs, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(critic, "POOL", {"train": 4, "valid": 2})
    run = tmp_path / "critic"
    few = ["--set", "steps=2", "--set", "validate_every=1", "--set", "checkpoint_every=1", "--seed", "1"]
    dry = train("--data", songs.path, "--out", run, "--critic", "--init", trained, *few, "--dry-run", "--json")
    assert dry.code == 0 and json.loads(dry.out)["network"]["critic"] and not run.exists(), dry.err
    done = train("--data", songs.path, "--out", run, "--critic", "--init", trained, *few)
    assert done.code == 0 and "1 at chance" in done.out and "6 windows of 20 tokens" in done.err, done.err
    assert checkpoint.load(run, kind="musenet").network.config.critic
    best = cli("compose", "musenet", "--model", run, "--bars", "1", "--best-of", "2", "-o", tmp_path / "best.mid")
    assert best.code == 0 and "of 2 highest" in best.err, best.err
    again = train("--out", run, "--resume")  # a critic's run is recognized by its network
    assert again.code == 0 and "the critic of m" in again.err, again.err
    more = train("--data", songs.path, "--out", tmp_path / "more", "--init", run, "--set", "steps=1", "--seed", "1")
    assert more.code == 0 and not checkpoint.load(tmp_path / "more", kind="musenet").network.config.critic, more.err


@pytest.mark.slow
def test_what_train_refuses(train, songs, trained, tmp_path):
    data = songs.path
    for words, code, message in (
        (["--data", data, "--preset", "huge"], 2, "huge"),
        (["--data", tmp_path / "nothing"], 3, "nothing"),
        ([], 2, "wavecore data midi"),
        (["--data", data, "--critic"], 2, "--init"),
        (["--data", data, "--init", trained, "--channels", "9"], 2, "--channels"),
        (["--data", data, "--init", trained, "--critic", "--layers", "9"], 2, "--layers"),
        (["--data", data, "--init", "universal"], 4, "translation"),
        (["--data", data, "--patterns", "round"], 2, "'round'"),
        (["--data", data, "--embeddings", "mood"], 2, "mood"),
        (["--data", data, "--set", "crop_frames=7"], 2, "crop_frames"),
        (["--resume"], 3, "--resume"),
    ):
        done = train(*words, "--out", tmp_path / "other")
        assert done.code == code and message in done.err, (words, done.err)
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_compose_writes_what_the_model_composes(cli, trained, tmp_path):
    words = ("compose", "musenet", "--model", trained, "--device", "cpu", "--seed", "4")
    piece = tmp_path / "a.mid"
    done = cli(*words, "--composer", "scales", "--bars", "1", "--tempo", "100", "-o", piece)
    assert done.code == 0 and "1 bars" in done.out, done.err
    song = base.load(trained).compose(1, composer="scales", tempo=100, seed=4, device="cpu")
    assert midi.read(piece).parts == song.parts
    more = ("--prime", piece, "--prime-bars", "1", "--instruments", "flute,piano", "--top-k", "99", "--bars", "2")
    document = json.loads(cli(*words, *more, "--json", "-o", tmp_path / "b.mid").out)
    assert [document[key] for key in ("model", "seed", "bars")] == ["m", 4, 2] and document["notes"] > 0
    skipped = cli(*words, "-o", piece, "--skip-existing")
    assert skipped.code == 0 and midi.read(piece).parts == song.parts
    assert cli(*words, "-o", piece).code == 6 and cli(*words, "-o", tmp_path / "out.wav").code == 2


@pytest.mark.slow
def test_what_compose_refuses(cli, trained, tmp_path):
    midi.write(Song(48, (Part((Event(0, 60, 10),), program=125),)), tmp_path / "noise.mid")
    (tmp_path / "broken.mid").write_bytes(b"no midi")
    for words, code, message in (
        (["--composer", "jazz"], 2, "fifths, scales"),
        (["--prime-bars", "2"], 2, "prime"),
        (["--best-of", "2"], 2, "--critic"),
        (["--prime", tmp_path / "noise.mid"], 3, "noise"),
        (["--prime", tmp_path / "broken.mid"], 3, "broken.mid"),
        (["--prime", tmp_path / "missing.mid"], 3, "missing.mid"),
        (["--tempo", "7"], 2, "10 to 400"),
    ):
        done = cli("compose", "musenet", "--model", trained, *words, "-o", tmp_path / "out.mid")
        assert done.code == code and message in done.err, (words, done.err)
    assert not (tmp_path / "out.mid").exists()


def test_evaluate_shows_likelihood_and_styles(cli, trained, songs, monkeypatch):
    monkeypatch.setattr(evaluate, "BEATS", 1)
    words = ("evaluate", "symbolic", trained, "--data", songs.path, "--samples", "1", "--device", "cpu")
    done = cli(*words, "--json")
    keys = "model model_sha256 data split n_windows bits_per_token unigram_bits bigram_bits styles apart"
    assert done.code == 0 and set(json.loads(done.out)) == set(keys.split()), done.err
    shown = cli(*words, "--split", "valid")
    assert "32 windows of the valid split" in shown.out and "fifths/scales: instruments" in shown.out
