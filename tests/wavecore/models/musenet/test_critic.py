"""The critic's verdict and its one update, a run that leaves all but the critic as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import UsageError
from wavecore.models.musenet import critic as musenet_critic
from wavecore.models.musenet.config import CriticTrainingConfig, MuseNetConfig
from wavecore.models.musenet.critic import MuseNetCriticTask, verdict, with_critic, without_critic
from wavecore.models.musenet.critic_data import Heard
from wavecore.models.musenet.model import MuseNet
from wavecore.symbolic.song import Event, Part, Song
from wavecore.training.loop import run_task

NETWORK = MuseNetConfig(n_layers=1, channels=16, n_heads=2, context=24, styles=("chords", "scale"))
TRAINING = CriticTrainingConfig(
    steps=30,
    batch_size=4,
    crop_frames=24,
    learning_rate=1e-2,
    glide_semitones=0.0,
    warmup_steps=2,
    validate_every=30,
    checkpoint_every=7,
    precision="float32",
)


def piece(number, style="scale"):
    notes = [Event(24 * i, 60 + (i + number) % 12, 24, 72) for i in range(3 + 7 * number)]
    parts = (Part(tuple(notes)), Part(tuple(notes), program=40)) if style == "chords" else (Part(tuple(notes)),)
    return Piece(Song(48, parts, name=f"{style}{number}"), style)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    numbers = {"train": range(5), "valid": range(2, 4), "test": [1]}
    pieces = {
        split: [replace_name(piece(number, style), split) for number in some for style in NETWORK.styles]
        for split, some in numbers.items()
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def replace_name(one, split):
    return Piece(replace(one.song, name=f"{split}{one.song.name}"), one.style)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MuseNet(NETWORK).eval()


@pytest.fixture
def small_pool(monkeypatch):
    monkeypatch.setattr(musenet_critic, "POOL", {"train": 12, "valid": 6})


def test_a_verdict_by_hand(network, monkeypatch):
    judged = torch.tensor([[False, True, True], [False, False, True]])
    heard = Heard(torch.zeros(2, 2, 3, 16), judged)
    said = torch.tensor([[[9.0, 1.0, -2.0], [9.0, 0.0, -3.0]], [[9.0, 9.0, 0.0], [9.0, 9.0, 4.0]]])
    critic = with_critic(network, seed=0)
    monkeypatch.setattr(critic, "judge", lambda hidden: said)
    nats, right = verdict(critic, heard)
    real, new = np.array([1.0, -2.0, 0.0]), np.array([0.0, -3.0, 4.0])
    assert float(nats) == pytest.approx(np.concatenate([np.log1p(np.exp(-real)), np.log1p(np.exp(new))]).mean())
    assert float(right) == 0.5


def test_heads_come_and_go(network):
    one, two, other = (with_critic(network, seed=seed) for seed in (0, 0, 1))
    assert (
        one.config.critic
        and torch.equal(one.critic[0].weight, two.critic[0].weight)
        and not torch.equal(one.critic[0].weight, other.critic[0].weight)
    )
    assert torch.equal(with_critic(one, seed=5).critic[0].weight, one.critic[0].weight), "one that is there stays"
    bare = without_critic(one)
    assert bare.config == NETWORK
    for name, tensor in network.state_dict().items():
        assert torch.equal(bare.state_dict()[name], tensor) and torch.equal(one.state_dict()[name], tensor)


def test_a_run_trains_the_critic_alone_and_is_the_same_when_resumed(dataset, network, small_pool, tmp_path):
    task = MuseNetCriticTask(dataset, network, TRAINING)
    seen = []
    run_task(task, tmp_path / "whole", on_progress=lambda progress: seen.append(progress.losses))

    class Stopped(MuseNetCriticTask):
        def batch(self, step):
            if step == 15:
                raise KeyboardInterrupt
            return super().batch(step)

    with pytest.raises(KeyboardInterrupt):
        run_task(Stopped(dataset, network, TRAINING), tmp_path / "parted")
    run_task(MuseNetCriticTask(dataset, network, TRAINING), tmp_path / "parted", resume=True)
    one, two = (checkpoint.load(tmp_path / name / "last", kind="musenet") for name in ("whole", "parted"))
    assert (
        one.sha256 == two.sha256 and one.network.config == replace(NETWORK, critic=True) and one.card["critic"] is True
    )
    for name, tensor in network.state_dict().items():
        assert torch.equal(one.network.state_dict()[name], tensor), name
    assert one.card["training"]["data"]["samples"] == {"train": 12, "valid": 6}
    assert seen[-1]["valid/bits"] < 0.9 and seen[-1]["valid/right"] > 0.7, (
        "an untaught network is told from scales at once"
    )


def test_what_does_not_fit_is_refused(dataset, network):
    with pytest.raises(UsageError, match="crop_frames is 20"):
        MuseNetCriticTask(dataset, network, replace(TRAINING, crop_frames=20))
    with pytest.raises(UsageError, match="the network lacks"):
        MuseNetCriticTask(dataset, MuseNet(replace(NETWORK, styles=("scale",))), TRAINING)
