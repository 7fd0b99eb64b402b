"""``wavecore compose lstm`` from start to end, and what it refuses."""

import json

import pytest
import torch

from wavecore import checkpoint
from wavecore.models.lstm.commands.compose import bar_of
from wavecore.models.lstm.config import LSTMConfig
from wavecore.models.lstm.model import LSTM
from wavecore.symbolic import midi
from wavecore.symbolic.note_sequence import NoteLine, read_line
from wavecore.symbolic.song import Meter, Song

TUNE = NoteLine(("60", "64", "67", "rest", "72"), (4, 2, 2, 1, 3))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of an LSTM of random weights: what is tested here is what is asked of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = LSTM(LSTMConfig(("rest", "60", "62", "64", "67"), (1, 2, 4, 8), embedding=4, hidden=6))
    folder = tmp_path_factory.mktemp("models") / "singer"
    checkpoint.save(network, folder)
    return folder


@pytest.fixture
def compose(cli, model):
    return lambda *words: cli("compose", "lstm", "--model", model, "--device", "cpu", *words)


@pytest.fixture
def tune(tmp_path):
    """A tune of twelve sixteenths in 3/4, at 90 beats a minute."""
    midi.write(TUNE.to_song(beats_per_minute=90, meter=(3, 4)), tmp_path / "tune.mid")
    return tmp_path / "tune.mid"


def test_as_long_as_asked_and_the_same_for_a_seed(compose, tmp_path):
    for name in ("a", "b"):
        done = compose("--bars", "4", "--seed", "3", "-o", tmp_path / f"{name}.mid")
        assert done.code == 0 and "4 bars" in done.out, done.err
    first, second = (midi.read(tmp_path / f"{name}.mid") for name in ("a", "b"))
    assert first.parts == second.parts and 0 < first.end <= 4 * 4 * 480
    assert first.tempos[0].beats_per_minute == pytest.approx(100, rel=1e-4) and first.meter_at(0) == Meter(0, 4, 4)
    found = json.loads(compose("--seed", "4", "--top-k", "2", "--json", "-o", tmp_path / "c.mid").out)
    assert (found["model"], found["seed"], found["bars"]) == ("singer", 4, 16) and found["notes"] == midi.read(
        tmp_path / "c.mid"
    ).n_notes


def test_a_beginning_is_kept_with_its_meter_and_tempo(compose, tune, tmp_path):
    done = compose("--prime", tune, "--bars", "3", "--temperature", "0", "-o", tmp_path / "on.mid")
    assert done.code == 0, done.err
    found = midi.read(tmp_path / "on.mid")
    line = read_line(found)
    assert line.symbols[:5] == TUNE.symbols and line.durations[:5] == TUNE.durations and 12 < line.n_steps <= 36
    assert found.meter_at(0) == Meter(0, 3, 4) and found.tempos[0].beats_per_minute == pytest.approx(90, rel=1e-4)
    assert compose("--prime", tune, "--tempo", "140", "-o", tmp_path / "fast.mid").code == 0
    assert midi.read(tmp_path / "fast.mid").tempos[0].beats_per_minute == pytest.approx(140, rel=1e-4)


def test_what_is_refused(compose, cli, tune, tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"no midi")
    out = tmp_path / "out.mid"
    for words, code, message in (
        (["--prime", tune, "--bars", "1"], 2, "the prime has 12 steps"),
        (["--prime", tmp_path / "broken.mid"], 3, "cannot be read as MIDI"),
        (["--prime", tmp_path / "missing.mid"], 3, "missing.mid"),
        (["--bars", "0"], 2, "at least 1"),
        (["--top-k", "0"], 2, "at least 1"),
        (["--tempo", "3"], 2, "10 to 400"),
        (["--temperature", "-1"], 2, "temperature"),
        (["--model", tmp_path / "none"], 4, "no model"),
    ):
        done = compose(*words, "-o", out)
        assert done.code == code and message in done.err, (words, done.err)
    assert compose("-o", tmp_path / "out.wav").code == 2
    assert compose("-o", tune).code == 6 and compose("--skip-existing", "-o", tune).code == 0
    assert read_line(midi.read(tune)) == NoteLine(TUNE.symbols, TUNE.durations, (90, 90, 90, 0, 90))
    assert not out.exists()


def test_bars_of_a_piece():
    def song(*meters):
        return Song(480, (), (), tuple(Meter(*meter) for meter in meters))

    assert bar_of(None, 4) == ((4, 4), 16) and bar_of(song(), 4) == ((4, 4), 16)
    assert bar_of(song((0, 6, 8), (960, 2, 4)), 4) == ((6, 8), 12)
    assert bar_of(song((0, 3, 64)), 4) == ((4, 4), 16), "three 64ths are no sixteenths"
