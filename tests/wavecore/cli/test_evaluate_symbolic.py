"""``wavecore evaluate symbolic`` from start to end, and what it refuses."""

import json

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.gan.config import GANConfig
from wavecore.models.gan.model import GAN
from wavecore.models.lstm.config import LSTMConfig
from wavecore.models.lstm.model import LSTM
from wavecore.models.musegan.model import MuseGAN, MuseGANConfig
from wavecore.models.musegan.rolls import Track
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.model import MuseNet
from wavecore.symbolic import chorale_song


@pytest.fixture
def evaluate(cli, choir, chorales):
    return lambda *words: cli("evaluate", "symbolic", choir, "--data", chorales, "--device", "cpu", *words)


def test_the_likelihood_is_told(evaluate, chorales):
    done = evaluate("--crop", "4", "--orderings", "2", "--json", "-q")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["framewise_nll"]["16th"] > 10 and (found["n_pieces"], found["orderings"], found["crop"]) == (3, 2, 4)
    assert (found["model"], found["data"], found["split"]) == ("choir", str(chorales), "test")


@pytest.mark.slow
def test_samples_are_judged_beside_the_data(evaluate):
    done = evaluate("--crop", "16", "--orderings", "1", "--pieces", "2", "--samples", "2", "--json")
    found = json.loads(done.out)
    assert found["soprano_kept"] is True and set(found["samples_nll"]) == {"gibbs", "ancestral"}
    assert set(found["counterpoint"]) == {"data", "gibbs", "ancestral", "harmonised"}
    told = evaluate("--crop", "4", "--orderings", "1", "--pieces", "1", "--chronological")
    assert told.code == 0 and "nats per frame of sixteenths" in told.out and "1 chorales, 1 orderings" in told.out


@pytest.mark.slow
def test_what_is_refused(evaluate, cli, choir, tmp_path):
    assert evaluate("--crop", "21").code == 3
    assert cli("evaluate", "symbolic", choir, "--data", tmp_path).code == 3
    wrong = cli("evaluate", "symbolic", "universal", "--data", tmp_path)
    assert wrong.code == 4 and "no composer" in wrong.err


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Chorales of four bars at random, as songs."""
    rng = np.random.default_rng(0)

    def piece(name):
        return Piece(chorale_song.to_song(rng.integers(50, 74, (64, 4)), name=name), "chorales")

    pieces = {split: [piece(f"{split}{number}") for number in range(3)] for split in ("train", "valid", "test")}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


COMPOSERS = {
    "lstm": lambda: LSTM(LSTMConfig(("rest", *map(str, range(48, 78))), (1, 2, 4), embedding=4, hidden=6, n_layers=1)),
    "gan": lambda: GAN(GANConfig(length=12, latent=5, generator=(8,), discriminator=(6,), hidden=5)),
    "musegan": lambda: MuseGAN(
        MuseGANConfig(
            (Track("soprano"), Track("bass")),
            bars=2,
            steps=16,
            lowest=48,
            n_pitches=36,
            noise=4,
            channels=8,
            critic_channels=4,
        )
    ),
    "musenet": lambda: MuseNet(MuseNetConfig(n_layers=1, channels=16, n_heads=2, context=64, styles=("chorales",))),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "keys", "line"),
    [
        ("lstm", {"bits_per_note", "data", "samples"}, "bits per note:"),
        ("gan", {"data", "samples"}, "copied stretches"),
        ("musegan", {"data", "samples", "n_phrases"}, "empty bars"),
        ("musenet", {"bits_per_token", "unigram_bits", "styles"}, "bits per token; counting tokens"),
    ],
)
def test_other_composers_are_judged_by_measures_of_their_own(
    cli, songs, chorales, tmp_path, monkeypatch, kind, keys, line
):
    from wavecore.models.musenet import evaluate as evaluate_musenet

    monkeypatch.setattr(evaluate_musenet, "BEATS", 1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        checkpoint.save(COMPOSERS[kind](), tmp_path / kind)
    words = ("evaluate", "symbolic", tmp_path / kind, "--data", songs, "--samples", "2", "--device", "cpu")
    done = cli(*words, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert keys <= set(found) and (found["model"], found["split"]) == (kind, "test")
    told = cli(*words)
    assert told.code == 0 and line in told.out
    assert cli(*words, "--crop", "8").code == 2
    assert cli(*words, "--split", "train").code == 2
    assert cli("evaluate", "symbolic", tmp_path / kind, "--data", chorales).code == 3
