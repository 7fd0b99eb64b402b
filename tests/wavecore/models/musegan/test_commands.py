"""``wavecore compose musegan`` and ``train musegan`` from start to end, and what they refuse."""

import json

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.base import load
from wavecore.models.musegan import api, commands, sample
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.rolls import Track
from wavecore.symbolic import chorale_song, midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

TRACKS = (Track("lead", 65), Track("low", 33), Track("kit", 0, True))
SMALL = [
    "--preset", "tiny", "--set", "batch_size=2", "--set", "validate_every=2", "--set", "checkpoint_every=2",
    "--seed", "4",
]  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of MuseGANs of random weights, one without and one with a given track."""
    folder = tmp_path_factory.mktemp("models")
    for name, given in (("free", ""), ("band", "lead")):
        sizes = {"steps": 8, "n_pitches": 24, "lowest": 48, "noise": 4, "channels": 8, "critic_channels": 3}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = MuseGAN(MuseGANConfig(TRACKS, given=given, **sizes))
        for generator in network.generator.bars:
            torch.nn.init.constant_(generator.layers[-1].convolution.bias, 0.0)
        checkpoint.save(network, folder / name)
    return folder


@pytest.fixture
def compose(cli, models):
    return lambda *words, model="free": cli("compose", "musegan", "--model", models / model, "--device", "cpu", *words)


@pytest.fixture
def tune(tmp_path):
    """A tune of two bars of 4/4 in 2/4, on a grid of its own, at two tempos."""
    events = (Event(0, 60, 96), Event(100, 64, 30), Event(400, 67, 100))
    parts = (Part(events, "Lead", 73), Part((Event(0, 50, 10),), "other"))
    song = Song(96, parts, (Tempo(0, 400_000), Tempo(192, 600_000)), (Meter(0, 2, 4),))
    midi.write(song, tmp_path / "tune.mid")
    return tmp_path / "tune.mid", song


def test_a_piece_is_written(compose, tmp_path):
    words = ("--bars", "7", "--seed", "3", "--tempo", "90", "--binarise", "bernoulli", "--vary", "0", "--json")
    done = compose(*words, "-o", tmp_path / "a.mid")
    assert done.code == 0, done.err
    found, song = json.loads(done.out), midi.read(tmp_path / "a.mid")
    assert (found["model"], found["seed"], found["bars"]) == ("free", 3, 7)
    assert found["notes"] == {part.name: len(part.events) for part in song.parts}
    assert [(part.name, part.program, part.is_drum) for part in song.parts] == [
        (track.name, track.program, track.is_drum) for track in TRACKS
    ]
    assert song.tempos[0].beats_per_minute == pytest.approx(90, abs=0.01) and song.meters == (Meter(0, 4, 4),)
    assert 24 < song.end / song.ticks_per_beat <= 28


def test_the_given_part_is_kept_with_its_meters_and_tempos(compose, tune, tmp_path):
    path, song = tune
    done = compose("--accompany", path, "--seed", "1", "-o", tmp_path / "out.mid", model="band")
    assert done.code == 0, done.err
    found = midi.read(tmp_path / "out.mid")
    lead, fine = found.parts[0], song.regrid(found.ticks_per_beat)
    assert (lead.name, lead.program, lead.events) == ("lead", 73, fine.parts[0].events)
    assert found.tempos == fine.tempos and found.meters == fine.meters
    assert len(found.parts) == 3 and all(part.events for part in found.parts) and "2 bars" in done.out


def test_a_model_takes_another_tempo(models, tune):
    model = load(models / "band")
    song = model.compose(accompany=tune[1], tempo=60, seed=1, device="cpu")
    assert song.tempos == (Tempo(0, 1_000_000),) and song.info["bars"] == 2
    assert len(load(models / "free").compose(1, device="cpu").parts) == 3
    assert "lead, low, kit to lead" in repr(model) and "2 bars of 8 steps" in repr(model)


def test_the_flags_know_methods_and_length():
    assert (commands.METHODS, commands.DEFAULT_BARS) == (sample.METHODS, api.DEFAULT_BARS)


def test_composing_refuses(compose, tune, tmp_path):
    path, song = tune
    midi.write(Song(96, song.parts, (), (Meter(0, 3, 4),)), tmp_path / "waltz.mid")
    out = tmp_path / "out.mid"
    for model, words, code, fact in (
        ("free", ["--accompany", path], 2, "--given"),
        ("band", ["--bars", "3"], 2, "'lead'"),
        ("band", ["--bars", "3", "--accompany", path], 2, "bars (3)"),
        ("band", ["--accompany", tmp_path / "waltz.mid"], 3, "3/4"),
        ("band", ["--accompany", tmp_path / "missing.mid"], 3, "missing.mid"),
        ("free", ["--tempo", "0"], 3, "not 0"),
        ("free", ["--vary", "2"], 2, "0 to 1"),
        ("free", ["--binarise", "soft"], 2, "soft"),
    ):
        done = compose(*words, "-o", out, model=model)
        assert done.code == code and fact in done.err, (words, done.err)
    assert not out.exists()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Chorales at random."""
    rng = np.random.default_rng(0)

    def piece(name):
        return Piece(chorale_song.to_song(rng.integers(35, 80, (40, 4)), name=name), "bach")

    pieces = {split: [piece(f"{split}{number}") for number in range(2)] for split in ("train", "valid", "test")}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "musegan", *words, "--device", "cpu")


@pytest.fixture
def trained(train, data, tmp_path):
    """The folder of a run of one step."""
    flags = ["--tracks", "alto,bass", "--given", "alto", "--variant", "jamming", "--set", "steps=1"]
    done = train("--data", data, "--out", tmp_path / "m", *SMALL, *flags)
    assert done.code == 0, done.err
    return tmp_path / "m"


def test_a_run_leaves_its_model(train, data, tmp_path):
    run = tmp_path / "run"
    done = train("--data", data, "--out", run, *SMALL, "--set", "steps=2", "--bars", "3", "--steps", "8")
    assert done.code == 0, done.err
    assert "bits between samples" in done.out and "notes out of range" in done.err
    assert "2 steps of 2 phrases for each update; 2 phrases of 3 bars x 8 steps x 48 pitches" in done.err
    assert "hybrid: soprano, alto, tenor, bass" in done.err
    config = checkpoint.load(run, kind="musegan").network.config
    assert config.shape == (3, 8, 48, 4) and config.tracks[0] == Track("soprano", 74)


def test_a_run_starts_from_another_model(train, data, trained, tmp_path):
    config = checkpoint.load(trained, kind="musegan").network.config
    assert (config.track_names, config.given, config.variant) == (("alto", "bass"), "alto", "jamming")
    flags = ["--init", trained, *SMALL, "--set", "steps=1", "--tracks", "alto,bass"]
    done = train("--data", data, "--out", tmp_path / "on", *flags)
    assert done.code == 0, done.err
    assert "jamming: alto, bass, to go with alto" in done.err
    assert checkpoint.load(tmp_path / "on", kind="musegan").network.config == config
    for flags, fact in (
        (["--bars", "4"], "--bars"),
        (["--tracks", "alto"], "--tracks"),
        (["--given", "bass"], "--given"),
        (["--preset", "seed"], "--preset"),
    ):
        done = train("--data", data, "--init", trained, *flags, "--out", tmp_path / "other")
        assert done.code == 2 and fact in done.err, (flags, done.err)


def test_training_refuses(train, data, tmp_path):
    for words, code, fact in (
        (["--tracks", "flute"], 3, "'flute'"),
        (["--preset", "paper"], 3, "family:bass"),
        (["--given", "flute"], 2, "'flute'"),
        (["--bars", "1"], 2, "at least 2"),
        (["--bars", "40"], 3, "40"),
        (["--variant", "trio"], 2, "trio"),
        ([*SMALL, "--set", "optimizer=muon"], 2, "muon"),
    ):
        done = train("--data", data, *words, "--out", tmp_path / "other")
        assert done.code == code and fact in done.err, (words, done.err)
    assert not (tmp_path / "other").exists()
