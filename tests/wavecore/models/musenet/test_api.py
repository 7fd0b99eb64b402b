"""The model as ``wavecore.load`` returns it: new pieces, continuations, and the critic's choice."""

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import InputError, UsageError
from wavecore.models import base
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.model import MuseNet
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

SIZES = {"n_layers": 1, "channels": 8, "n_heads": 2, "context": 40, "styles": ("bach", "pop")}
FLUTE = tuple(Event(480 * i, 70 + i, 480) for i in range(12))
PIECE = Song(
    480,
    (Part(FLUTE, "tune", 73), Part((Event(0, 40, 480 * 12, 88),), "ground")),
    (Tempo(0, 750_000),),
    (Meter(0, 3, 4),),
)
"""Four bars of 3/4 by a flute and a piano."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of random weights that often wait, with a critic and without."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("judge", "bare"):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = MuseNet(MuseNetConfig(**SIZES, critic=name == "judge"))
            with torch.no_grad():
                direction = torch.eye(8)[0]
                network.norm.weight *= 0.3
                network.norm.bias += direction
                network.tokens.kinds[31] += 1.5 * direction
        checkpoint.save(network, folder / name)
    return {name: base.load(folder / name) for name in ("judge", "bare")}


@pytest.fixture
def model(models):
    return models["judge"]


def notes(song, name):
    return next(part.events for part in song.parts if part.name == name)


@pytest.mark.slow
def test_a_new_piece_has_its_length_and_tempo_and_reports_its_seed(model):
    one, two = (model.compose(8, composer="bach", tempo=100, seed=3, device="cpu") for _ in range(2))
    assert one == two and one.end <= 8 * 192 + 12 and one.ticks_per_beat == 48
    assert one.tempos[0].beats_per_minute == pytest.approx(100, rel=0.05)
    assert one.info == {"model": "judge", "model_sha256": model.sha256, "seed": 3, "bars": 8}
    other = model.compose(8, top_k=500, temperature=1.2, device="cpu")
    assert other.parts != one.parts and other.info["seed"] >= 0


def test_the_beginning_is_kept(model):
    song = model.compose(6, prime=PIECE, seed=1, device="cpu")
    assert notes(song, "flute")[:12] == tuple(Event(48 * i, 70 + i, 48, 80) for i in range(12))
    assert song.meters == (Meter(0, 3, 4),) and song.tempos[0].beats_per_minute == pytest.approx(80, rel=0.05)
    short = model.compose(3, prime=PIECE, prime_bars=1, seed=1, device="cpu")
    assert notes(short, "flute")[:3] == tuple(Event(48 * i, 70 + i, 48, 80) for i in range(3))
    assert Event(0, 40, 144, 88) in notes(short, "piano") and short.end <= 3 * 144 + 12


def test_the_critic_chooses_the_best(model):
    song = model.compose(2, best_of=3, seed=2, device="cpu")
    scores, best = song.info["scores"], song.info["best"]
    assert len(scores) == 3 and np.argmax(scores) == best


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"composer": "jazz"}, UsageError, "bach, pop"),
        ({"instruments": ["piano", "oboe"]}, UsageError, "'oboe'"),
        ({"prime_bars": 2}, UsageError, "prime"),
        ({"prime": PIECE, "bars": 4}, UsageError, "576 ticks.* 576"),
        ({"prime": Song(48, (Part((Event(0, 60, 10),), program=125),), name="noise")}, InputError, "noise"),
    ],
)
def test_what_is_refused(model, options, error, message):
    with pytest.raises(error, match=message):
        model.compose(device="cpu", **options)


def test_the_best_of_several_needs_a_critic(models):
    with pytest.raises(UsageError, match="--critic"):
        models["bare"].compose(1, best_of=2, device="cpu")
