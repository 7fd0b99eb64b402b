"""Held-out notes beside what the autoencoder makes of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import files, mulaw, note_level
from wavecore.errors import UsageError
from wavecore.models.nsynth import samples as nsynth_samples
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.nsynth.samples import write_samples
from wavecore.models.nsynth.train import LEVEL_DB
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNetConfig

RATE, HOP = 16_000, 160
ENCODER = EncoderConfig("waveform", 4, HOP, channels=4, dilation_cycles=1, layers_per_cycle=4)
DECODER = WaveNetConfig(1, 5, 2, 8, 8, 8, 16, latent_channels=4, hop_length=HOP)
SHORT = 1_600


def _network(pitch_channels=0):
    config = NSynthConfig(ENCODER, replace(DECODER, latent_channels=4 + pitch_channels), pitch_channels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = NSynthNetwork(config)
        with torch.no_grad():
            network.decoder.output.weight.normal_(std=0.2)
    return network.eval()


@pytest.fixture(scope="module")
def short(make_notes, tmp_path_factory):
    """Tenths of a second: quickly said again, and no whole number of frames (of 160 samples)."""
    return make_notes(tmp_path_factory.mktemp("short") / "notes", n_samples=SHORT + 33)


@pytest.mark.parametrize("pitch_channels", [0, 2])
def test_notes_over_the_whole_split_and_what_becomes_of_them(short, tmp_path, pitch_channels):
    written = write_samples(_network(pitch_channels), short, tmp_path / "s", step=1500, n_notes=3)
    names = [note.note_str for note in short.notes("valid")]
    chosen = [names[0], names[2], names[5]]
    assert [path.name for path in written] == [f"step-00001500__{name}.wav" for name in chosen]
    assert {path.name for path in (tmp_path / "s").iterdir()} == {
        *(path.name for path in written), *(f"input__{name}.wav" for name in chosen)
    }  # fmt: skip
    for path, name in zip(written, chosen, strict=True):
        said, rate = files.read(path)
        heard, _ = files.read(tmp_path / "s" / f"input__{name}.wav")
        assert rate == RATE and len(said) == len(heard) == SHORT
        assert len(np.unique(said)) > 20
        original = note_level.level(mulaw.decode(np.array(short.codes("valid")[names.index(name)][:SHORT])), LEVEL_DB)
        np.testing.assert_allclose(heard, original, atol=1.01 / 32768)


def test_the_same_seed_gives_the_same_samples(short, tmp_path):
    sounds = []
    for number, seed in enumerate((1, 1, 2)):
        written = write_samples(_network(), short, tmp_path / str(number), step=number, n_notes=2, seed=seed)
        sounds.append([path.read_bytes() for path in written])
    assert sounds[0] == sounds[1] and sounds[0][0] != sounds[2][0]


def test_the_pitch_reaches_the_decoder(short, tmp_path, monkeypatch):
    network, told = _network(2), []
    genuine = network.condition
    monkeypatch.setattr(network, "condition", lambda latent, pitches: told.append(pitches) or genuine(latent, pitches))
    write_samples(network, short, tmp_path, step=0, n_notes=6)
    assert told[0].tolist() == [59, 62, 69, 59, 62, 69]


def test_an_oscillator_runs_at_the_note_s_pitch(short, tmp_path, monkeypatch):
    decoder = replace(DECODER, latent_channels=5 + 4, hop_length=1)
    network = NSynthNetwork(NSynthConfig(ENCODER, decoder, harmonics=2)).eval()
    told, genuine = [], network.condition
    monkeypatch.setattr(network, "condition", lambda latent, pitches: told.append(latent) or genuine(latent, pitches))
    written = write_samples(network, short, tmp_path, step=0, n_notes=6)
    assert told[0].shape == (6, 10, 5)
    assert (60 + 12 * told[0][:, 3, 4]).tolist() == pytest.approx([59, 62, 69, 59, 62, 69])
    assert all(len(files.read(path)[0]) == SHORT for path in written)


def test_more_notes_than_there_are(short, tmp_path):
    assert len(write_samples(_network(), short, tmp_path, step=0, n_notes=100)) == 6


def test_a_step_that_comes_again_replaces_its_files(short, tmp_path, monkeypatch):
    for seconds in (0.1, 0.05):
        monkeypatch.setattr(nsynth_samples, "SECONDS", seconds)
        (path,) = write_samples(_network(), short, tmp_path, step=7, n_notes=1)
    assert files.probe(path).frames == 800  # long notes are cut


@pytest.mark.parametrize("n_notes", [0, -1])
def test_no_notes_are_refused(short, tmp_path, n_notes):
    with pytest.raises(UsageError, match=f"n_notes must be at least 1, not {n_notes}"):
        write_samples(_network(), short, tmp_path, step=0, n_notes=n_notes)


def test_notes_that_do_not_fit_the_network_are_refused(make_notes, tmp_path):
    slow = make_notes(tmp_path / "slow", sample_rate=8_000)
    tiny = make_notes(tmp_path / "tiny", n_samples=HOP - 1)
    no_valid = make_notes(tmp_path / "train", pitches={"train": (60,)})
    for notes, message in (
        (slow, "at 8000 Hz do not fit"),
        (tiny, "notes of 159 samples"),
        (no_valid, "no split 'valid'"),
    ):
        with pytest.raises(UsageError, match=message):
            write_samples(_network(), notes, tmp_path / "s", step=0)
    assert not (tmp_path / "s").exists()
