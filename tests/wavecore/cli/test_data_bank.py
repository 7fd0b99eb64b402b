"""``wavecore data bank`` from start to end, and what it refuses."""

import argparse
import json
from dataclasses import replace

import pytest
import torch

from wavecore import checkpoint
from wavecore.cli.data_bank import instruments
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.config import EncoderConfig, preset
from wavecore.rendering import bank, bank_build
from wavecore.rendering.bank_build import Source
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Part, Song


@pytest.fixture(scope="module")
def noter(tmp_path_factory):
    """The folder of an autoencoder of notes of random weights, with an oscillator."""
    decoder = replace(preset("tiny"), hop_length=1, latent_channels=12)
    encoder = EncoderConfig(hop_length=512, latent_channels=16, channels=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = NSynthNetwork(NSynthConfig(encoder, decoder, condition_channels=8, harmonics=2))
    folder = tmp_path_factory.mktemp("noters") / "noter"
    checkpoint.save(network, folder)
    return folder


@pytest.fixture(autouse=True)
def brief(monkeypatch):
    """Check notes for a shorter time, once: the weights are random anyway."""
    monkeypatch.setattr(bank_build, "CHECKED_S", 0.6)
    monkeypatch.setattr(bank_build, "TRIES", 1)


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=4 * 16_000).path


@pytest.mark.slow
def test_a_bank_is_made_and_played_with(cli, noter, data, tmp_path):
    words = (
        "data",
        "bank",
        "--data",
        data,
        "--model",
        noter,
        "--instruments",
        "pipe@73=flute_acoustic_000,box=organ_electronic_001",
        "--licence",
        "mine",
    )
    done = cli(*words, "-o", tmp_path / "bank.npz")
    assert done.code == 0, done.err
    assert "2 instruments for noter" in done.out and "pipe          MIDI 57-72  flute_acoustic_000" in done.out
    assert "no note of pipe" in done.err, "its weights are random"
    assert bank.load(tmp_path / "bank.npz").origin == "mine"
    assert cli(*words, "-o", tmp_path / "bank.npz").code == 6
    told = json.loads(cli(*words, "--every", "5", "--keep-unclear", "-o", tmp_path / "b.npz", "--json").out)
    assert told["instruments"] == {"pipe": [57, 72], "box": [57, 72]} and told["left_out"] == {"pipe": [], "box": []}
    midi.write(Song(96, (Part((Event(0, 60, 48),), "tune", 74),)), tmp_path / "tune.mid")
    rendered = cli(
        "render",
        tmp_path / "tune.mid",
        "--model",
        noter,
        "--bank",
        tmp_path / "bank.npz",
        "--device",
        "cpu",
        "-o",
        tmp_path / "tune.wav",
    )
    assert rendered.code == 0, rendered.err
    assert "tune        pipe          1 note" in rendered.out
    missing = cli("render", tmp_path / "tune.mid", "--model", noter, "-o", tmp_path / "x.wav")
    assert missing.code == 4 and "noter has no bank of notes" in missing.err
    unknown = cli(
        "render",
        tmp_path / "tune.mid",
        "--model",
        noter,
        "--bank",
        tmp_path / "bank.npz",
        "--instrument",
        "tuba",
        "-o",
        tmp_path / "x.wav",
    )
    assert unknown.code == 2 and "no instrument 'tuba'; choose from pipe, box" in unknown.err


@pytest.mark.slow
def test_what_the_model_cannot_say_is_left_out(cli, data, tmp_path):
    words = ("data", "bank", "--data", data, "--instruments", "pipe=flute_acoustic_000", "--json")
    whole = json.loads(cli(*words, "--keep-unclear", "-o", tmp_path / "whole.npz").out)
    done = json.loads(cli(*words, "-o", tmp_path / "bank.npz").out)
    kept, all_notes = (
        bank.load(tmp_path / name).instruments["pipe"].pitches.tolist() for name in ("bank.npz", "whole.npz")
    )
    assert whole["left_out"] == {"pipe": []}
    assert kept and sorted(kept + done["left_out"]["pipe"]) == all_notes


def test_instruments_are_read_from_words():
    assert instruments("a@0=x_1, b=y") == {"a": Source("x_1", 0), "b": Source("y")}
    for text in ("a", "a=", "=b", "a@128=b", "a@=b", "a=b=c", "a=b,a=c"):
        with pytest.raises(argparse.ArgumentTypeError):
            instruments(text)


@pytest.mark.slow
def test_what_is_refused(cli, noter, data, tmp_path):
    out = ("-o", tmp_path / "bank.npz")
    assert cli("data", "bank", "--data", data, "--model", noter, *out).code == 2
    wrong = cli("data", "bank", "--data", data, "--model", noter, "--instruments", "low=tuba", *out)
    assert wrong.code == 3 and "no instrument 'tuba'" in wrong.err
    assert cli("data", "bank", "--data", tmp_path, "--model", noter, "--instruments", "low=tuba", *out).code == 3
    assert not (tmp_path / "bank.npz").exists()
