"""``wavecore compose musegan`` from start to end, and what it refuses."""

import json

import pytest
import torch

from wavecore import checkpoint
from wavecore.models.musegan import rolls
from wavecore.models.musegan import sample as musegan_sampling
from wavecore.models.musegan.commands import compose as compose_musegan
from wavecore.models.musegan.model import MuseGAN, MuseGANConfig
from wavecore.models.musegan.tracks import Track
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

CONFIG = {"bars": 2, "steps": 8, "n_pitches": 24, "lowest": 48, "noise": 4, "channels": 8, "critic_channels": 3}
TRACKS = (Track("lead", 65), Track("low", 33), Track("kit", 0, True))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of MuseGANs of random weights: what is tested here is what is asked of them."""
    folder = tmp_path_factory.mktemp("models")
    for name, given in (("free", ""), ("band", "lead")):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = MuseGAN(MuseGANConfig(TRACKS, given=given, **CONFIG))
        for generator in network.generator.bars:
            torch.nn.init.constant_(generator.layers[-1].convolution.bias, 0.0)
        checkpoint.save(network, folder / name)
    return folder


@pytest.fixture
def compose(cli, models):
    return lambda *words, model="free": cli("compose", "musegan", "--model", models / model, "--device", "cpu", *words)


@pytest.fixture
def tune(tmp_path):
    """A tune of three bars in 2/4, on a grid of its own, at two tempos."""
    events = (Event(0, 60, 96), Event(100, 64, 30), Event(400, 67, 100))
    song = Song(
        96,
        (Part(events, "Lead", 73), Part((Event(0, 50, 10),), "other")),
        (Tempo(0, 400_000), Tempo(192, 600_000)),
        (Meter(0, 2, 4),),
    )
    midi.write(song, tmp_path / "tune.mid")
    return tmp_path / "tune.mid", song


def test_as_long_as_asked_and_the_same_for_a_seed(compose, tmp_path):
    for name in ("a", "b"):
        done = compose("--bars", "7", "--seed", "3", "--tempo", "90", "-o", tmp_path / f"{name}.mid")
        assert done.code == 0, done.err
    assert "7 bars; notes: " in done.out
    a, b = (midi.read(tmp_path / f"{name}.mid") for name in ("a", "b"))
    assert a.parts == b.parts and [(part.name, part.program, part.is_drum) for part in a.parts] == [
        ("lead", 65, False),
        ("low", 33, False),
        ("kit", 0, True),
    ]
    assert a.tempos[0].beats_per_minute == pytest.approx(90, abs=0.01) and a.meters == (Meter(0, 4, 4),)
    assert 24 < a.end / a.ticks_per_beat <= 28
    drawn = compose(
        "--bars", "7", "--seed", "3", "--binarise", "bernoulli", "--vary", "0", "--json", "-o", tmp_path / "c.mid"
    )
    found = json.loads(drawn.out)
    assert (found["model"], found["seed"], found["bars"]) == ("free", 3, 7) and set(found["notes"]) == {
        "lead",
        "low",
        "kit",
    }
    assert midi.read(tmp_path / "c.mid").parts != a.parts


def test_without_variation_phrases_come_again(compose, tmp_path):
    assert compose("--bars", "6", "--seed", "1", "--vary", "0", "-o", tmp_path / "a.mid").code == 0
    network = MuseGANConfig(TRACKS, **CONFIG)
    roll = rolls.draw(midi.read(tmp_path / "a.mid"), TRACKS, network.grid).roll
    assert (roll[2:4] == roll[4:6]).all() and roll.any()


def test_what_is_accompanied_is_kept_exactly(compose, tune, tmp_path):
    path, song = tune
    done = compose("--accompany", path, "--seed", "1", "-o", tmp_path / "out.mid", model="band")
    assert done.code == 0, done.err
    found = midi.read(tmp_path / "out.mid")
    lead = found.parts[0]
    fine = song.regrid(found.ticks_per_beat)
    assert (lead.name, lead.program, lead.events) == ("lead", 73, fine.parts[0].events)
    assert found.tempos == fine.tempos and found.meters == fine.meters
    assert len(found.parts) == 3 and all(part.events for part in found.parts) and "2 bars" in done.out
    other = compose("--accompany", path, "--tempo", "60", "--seed", "1", "-o", tmp_path / "slow.mid", model="band")
    assert other.code == 0 and midi.read(tmp_path / "slow.mid").tempos == (Tempo(0, 1_000_000),)


def test_ways_are_those_of_the_sampling():
    assert compose_musegan.BINARISE == musegan_sampling.BINARISE


def test_what_is_refused(compose, cli, tune, tmp_path):
    path, song = tune
    midi.write(Song(96, song.parts, (), (Meter(0, 3, 4),)), tmp_path / "waltz.mid")
    out = tmp_path / "out.mid"
    for model, words, code, message in (
        ("free", ["--accompany", path], 2, "cannot accompany"),
        ("band", ["--bars", "3"], 2, "--accompany FILE.mid (with a part 'lead')"),
        ("band", ["--bars", "3", "--accompany", path], 2, "leave --bars out"),
        ("band", ["--accompany", tmp_path / "waltz.mid"], 3, "of 3/4"),
        ("band", ["--accompany", tmp_path / "missing.mid"], 3, "missing.mid"),
        ("free", ["--tempo", "0"], 3, "tempo of 0"),
        ("free", ["--vary", "2"], 2, "0 to 1"),
        ("free", ["--binarise", "soft"], 2, "soft"),
    ):
        done = compose(*words, "-o", out, model=model)
        assert done.code == code and message in done.err, (words, done.err)
    assert compose("-o", tmp_path / "out.wav").code == 2 and compose("-o", path).code == 6
    skipped = compose("-o", path, "--skip-existing")
    assert skipped.code == 0 and "skipped" in skipped.err
    assert cli("compose", "musegan", "--model", tmp_path / "none", "-o", out).code == 4
    assert not out.exists()
