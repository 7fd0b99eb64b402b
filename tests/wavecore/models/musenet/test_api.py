"""``wavecore compose musenet`` from start to end, and what it refuses."""

import json

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.model import MuseNet
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

SIZES = {"n_layers": 1, "channels": 8, "n_heads": 2, "context": 40, "styles": ("bach", "pop")}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of MuseNets of random weights, with a critic and without: what is tested here is what is asked of
    them."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("judge", "bare"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = MuseNet(MuseNetConfig(**SIZES, critic=name == "judge"))
            with torch.no_grad():  # it waits often, and so is soon done
                likes = torch.eye(8)[0]
                network.norm.weight *= 0.3
                network.norm.bias += likes
                network.tokens.kinds[31] += 1.5 * likes
        checkpoint.save(network, folder / name)
    return folder


@pytest.fixture
def compose(cli, models):
    return lambda *words: cli("compose", "musenet", "--model", models / "judge", "--device", "cpu", *words)


@pytest.fixture
def piece(tmp_path):
    """Four bars of 3/4 by a flute and a piano."""
    parts = (
        Part(tuple(Event(480 * i, 70 + i, 480) for i in range(12)), "tune", 73),
        Part((Event(0, 40, 480 * 12, 88),), "ground"),
    )
    midi.write(Song(480, parts, (Tempo(0, 750_000),), (Meter(0, 3, 4),)), tmp_path / "piece.mid")
    return tmp_path / "piece.mid"


def test_from_nothing_as_long_as_asked_and_the_same_for_a_seed(compose, tmp_path):
    for name in ("a", "b"):
        done = compose(
            "--composer", "bach", "--bars", "8", "--tempo", "100", "--seed", "3", "-o", tmp_path / f"{name}.mid"
        )
        assert done.code == 0, done.err
    assert "8 bars" in done.out
    one, two = (midi.read(tmp_path / f"{name}.mid") for name in "ab")
    assert one.parts == two.parts and one.end <= 8 * 192 + 12 and one.ticks_per_beat == 48
    assert one.tempos[0].beats_per_minute == pytest.approx(100, rel=0.05)
    other = compose(
        "--bars", "8", "--top-k", "500", "--temperature", "1.2", "--seed", "4", "--json", "-o", tmp_path / "c.mid"
    )
    assert other.code == 0, other.err
    found = json.loads(other.out)
    assert (found["model"], found["seed"], found["bars"]) == ("judge", 4, 8)
    assert midi.read(tmp_path / "c.mid").parts != one.parts


def test_a_beginning_stays(compose, piece, tmp_path):
    done = compose("--prime", piece, "--bars", "6", "--seed", "1", "-o", tmp_path / "long.mid")
    assert done.code == 0, done.err
    found = midi.read(tmp_path / "long.mid")
    flute = next(part for part in found.parts if part.name == "flute")
    assert flute.events[:12] == tuple(Event(48 * i, 70 + i, 48, 80) for i in range(12))
    assert found.meters == (Meter(0, 3, 4),) and found.tempos[0].beats_per_minute == pytest.approx(80, rel=0.05)
    assert (
        compose("--prime", piece, "--prime-bars", "1", "--bars", "3", "--seed", "1", "-o", tmp_path / "short.mid").code
        == 0
    )
    found = midi.read(tmp_path / "short.mid")
    flute, piano = (next(part for part in found.parts if part.name == name) for name in ("flute", "piano"))
    assert (
        flute.events[:3] == tuple(Event(48 * i, 70 + i, 48, 80) for i in range(3))
        and Event(0, 40, 144, 88) in piano.events
    )
    assert found.end <= 3 * 144 + 12


def test_the_critic_takes_the_best(compose, tmp_path):
    done = compose("--bars", "4", "--best-of", "3", "--seed", "2", "-o", tmp_path / "best.mid")
    assert done.code == 0, done.err
    said = next(line for line in done.err.splitlines() if "critic takes" in line)
    best, *others = (float(word.strip(",;")) for word in said.split() if word[0] in "+-")
    assert len(others) == 2 and best >= max(others)


def test_what_is_refused(compose, cli, models, piece, tmp_path):
    midi.write(Song(48, (Part((Event(0, 60, 10),), program=125),)), tmp_path / "noise.mid")
    (tmp_path / "broken.mid").write_bytes(b"no midi")
    out = tmp_path / "out.mid"
    for words, code, message in (
        (["--composer", "jazz"], 2, "knows bach, pop"),
        (["--instruments", "piano,oboe"], 2, "'oboe'"),
        (["--prime-bars", "2"], 2, "--prime FILE.mid"),
        (["--prime", piece, "--bars", "4"], 2, "nothing would be left to write"),
        (["--prime", tmp_path / "noise.mid"], 3, "nothing that MuseNet's instruments play"),
        (["--prime", tmp_path / "broken.mid"], 3, "cannot be read as MIDI"),
        (["--prime", tmp_path / "missing.mid"], 3, "missing.mid"),
        (["--tempo", "7"], 2, "10 to 400"),
    ):
        done = compose(*words, "-o", out)
        assert done.code == code and message in done.err, (words, done.err)
    bare = cli("compose", "musenet", "--model", models / "bare", "--best-of", "2", "-o", out)
    assert bare.code == 2 and "bare has none" in bare.err
    assert compose("-o", tmp_path / "out.wav").code == 2
    assert compose("-o", piece).code == 6
    assert compose("-o", piece, "--skip-existing").code == 0 and np.isfinite(midi.read(piece).end)
    assert not out.exists()
