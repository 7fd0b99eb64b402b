"""``wavecore train musenet`` from start to end, its critic, and what it refuses."""

import pytest

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.musenet import critic as musenet_critic
from wavecore.symbolic.song import Event, Part, Song

SMALL = [
    "--preset",
    "tiny",
    "--channels",
    "8",
    "--layers",
    "1",
    "--context",
    "20",
    "--patterns",
    "strided,dense",
    "--set",
    "batch_size=2",
    "--set",
    "validation_crops=2",
    "--set",
    "validate_every=2",
    "--set",
    "checkpoint_every=2",
    "--seed",
    "4",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    def piece(style, number):
        events = tuple(Event(48 * i, 60 + (i + number) % 7, 40) for i in range(12))
        return Piece(Song(48, (Part(events, program=40 if style == "bach" else 0),), name=f"{style}{number}"), style)

    splits = {"train": range(3), "valid": range(3, 5), "test": [5]}
    pieces = {
        split: [piece(style, number) for number in numbers for style in ("bach", "pop")]
        for split, numbers in splits.items()
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "musenet", *words, "--device", "cpu")


@pytest.fixture
def trained(train, data, tmp_path):
    """The folder of a run of two steps."""
    assert train("--data", data, "--out", tmp_path / "m", *SMALL, "--set", "steps=2").code == 0
    return tmp_path / "m"


def test_a_run_leaves_model_curves_and_styles_and_goes_on(train, data, tmp_path):
    run = tmp_path / "run"
    done = train("--data", data, "--out", run, *SMALL, "--set", "steps=3", "--recompute")
    assert done.code == 0, done.err
    assert (
        "bits per token, held out" in done.out
        and "3 steps of 2 windows of 20 tokens; 6 pieces" in done.err
        and "by counting pairs" in done.err
    )
    model = checkpoint.load(run, kind="musenet")
    config = model.network.config
    assert (config.n_layers, config.channels, config.context, config.patterns, config.styles) == (
        1,
        8,
        20,
        ("strided", "dense"),
        ("bach", "pop"),
    )
    assert model.card["training"]["settings"]["transpose_semitones"] == 5.0 and not config.critic
    assert (run / "curves.png").is_file() and (run / "styles.png").is_file()
    again = train("--out", run, "--resume")
    assert again.code == 0 and "nothing was left to do" in again.out


def test_what_is_told_of_tokens_can_be_left_out(train, data, tmp_path):
    for words, wanted in ((["none"], ()), (["time,chord"], ("time", "chord"))):
        run = tmp_path / words[0]
        done = train("--data", data, "--out", run, *SMALL, "--set", "steps=1", "--embeddings", *words)
        assert done.code == 0, done.err
        assert checkpoint.load(run, kind="musenet").network.config.embeddings == wanted
    refused = train("--data", data, "--out", tmp_path / "no", *SMALL, "--embeddings", "mood")
    assert refused.code == 2 and "mood" in refused.err and not (tmp_path / "no").exists()


def test_a_critic_is_added_and_left_behind(train, data, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(musenet_critic, "POOL", {"train": 4, "valid": 2})
    run = tmp_path / "critic"
    few = ["--set", "steps=2", "--set", "validate_every=1", "--set", "checkpoint_every=1", "--seed", "1"]
    done = train("--data", data, "--out", run, "--critic", "--init", trained, *few)
    assert done.code == 0, done.err
    assert "1 is guessing, held out" in done.out and "goes on with 6 windows of 20 tokens" in done.err
    assert checkpoint.load(run, kind="musenet").network.config.critic
    again = train("--out", run, "--resume")
    assert again.code == 0 and "nothing was left to do" in again.out, again.err
    more = train("--data", data, "--out", tmp_path / "more", "--init", run, "--set", "steps=1", "--seed", "1")
    assert more.code == 0 and not checkpoint.load(tmp_path / "more", kind="musenet").network.config.critic, more.err


def test_what_is_refused(train, data, trained, tmp_path):
    for words, code, message in (
        (["--data", data, "--preset", "huge"], 2, "huge"),
        (["--data", tmp_path / "nothing"], 3, "no data set of songs"),
        ([], 2, "--data DIR"),
        (["--data", data, "--critic"], 2, "--init MODEL"),
        (["--data", data, "--init", trained, "--channels", "9"], 2, "has 8 where --channels says 9"),
        (["--data", data, "--init", trained, "--critic", "--layers", "9"], 2, "leave the flag out"),
        (["--data", data, "--init", "universal"], 4, "kind 'translation'"),
        (["--data", data, "--patterns", "round"], 2, "'round'"),
        (["--data", data, *SMALL, "--set", "crop_frames=7"], 2, "crop_frames is 7 and the context 20"),
        (["--resume"], 3, "no run to resume"),
    ):
        done = train(*words, "--out", tmp_path / "other")
        assert done.code == code and message in done.err, (words, done.err)
    assert not (tmp_path / "other").exists()
