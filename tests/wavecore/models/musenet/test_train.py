"""Batches, the loss, optimisers, held-out windows, and a short training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import InputError, UsageError
from wavecore.models.musenet.config import MuseNetConfig, MuseNetTrainingConfig
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.tokens import DRUMS
from wavecore.models.musenet.train import MuseNetTask, semitones
from wavecore.symbolic.song import Event, Part, Song
from wavecore.training.loop import run_task

NETWORK = MuseNetConfig(
    n_layers=2, channels=16, n_heads=2, context=24, patterns=("dense", "strided"), block=4, styles=("fifths", "scales")
)
TRAINING = MuseNetTrainingConfig(
    steps=12, learning_rate=1e-2, transpose_semitones=3.0, warmup_steps=2, validation_windows=2, precision="float32"
)
PITCHES = {60, 62, 64, 65, 66, 73}


def _task(songs, network=NETWORK, initial=None, *, recompute=False, **changes):
    return MuseNetTask(songs, network, replace(TRAINING, **changes), initial, recompute=recompute)


def test_settings_of_earlier_runs_are_read():
    stored = {"crop_frames": 24, "validation_crops": 3, "transpose_semitones": 5.0, "glide_semitones": 0.0, "steps": 7}
    assert MuseNetTrainingConfig.from_dict(stored) == MuseNetTrainingConfig(steps=7, validation_windows=3)


def test_muon_is_for_the_layers_and_adam_for_tables(songs):
    task = _task(songs, optimizer="muon")
    trainer = task.trainer(task.build(), "cpu")
    names = {id(parameter): name for name, parameter in trainer.network.named_parameters()}
    tables = {
        group["tables"]: {names[id(parameter)] for parameter in group["params"]}
        for group in trainer.optimizers["musenet"].param_groups
    }
    assert all(name.startswith("layers.") for name in tables[False])
    assert {"tokens.own", "tokens.pitches", "places"} < tables[True]
    assert tables[True] | tables[False] == set(names.values())
    before = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
    trainer.update(task.batch(0))
    for name in ("tokens.own", "layers.0.widened.0.weight"):
        assert not torch.equal(dict(trainer.network.named_parameters())[name], before[name])


def test_dropout_follows_from_the_step_and_not_from_recomputation(songs):
    states = []
    for recompute, seed in ((False, 1), (True, 2)):
        torch.manual_seed(seed)
        task = _task(songs, recompute=recompute)
        trainer = task.trainer(task.build(), "cpu")
        measures = [trainer.update(task.batch(step)) for step in range(3)]
        states.append((measures, trainer.tensors()))
    assert states[0][0] == states[1][0]
    assert all(torch.equal(tensor, states[1][1][name]) for name, tensor in states[0][1].items())


def test_transpositions_become_smaller_late(songs):
    shifts = [semitones(replace(TRAINING, steps=100, decay_fraction=0.5), step) for step in (0, 50, 75, 90, 99)]
    assert shifts == [3, 3, 2, 1, 0] and semitones(replace(TRAINING, decay_fraction=0.0), 11) == 3
    task = _task(songs, steps=10_000, augment_probability=0.0)

    def pitches(steps):
        batches = [task.batch(step) for step in steps]
        tokens = torch.cat([batch.targets[batch.inside] for batch in batches])
        return set((tokens[tokens < DRUMS] % 128).tolist())

    assert not pitches(range(10)) <= PITCHES and pitches(range(9_980, 10_000)) <= PITCHES


def test_held_out_windows_are_plain_and_of_all_styles(songs):
    task = _task(songs, validation_windows=3)
    assert task.held_out.tokens.shape == (6, 24) and (task.held_out.share == 1).all()
    assert task.held_out.tokens[:, 0].tolist() == [4139] * 3 + [4140] * 3
    network = task.build().eval()
    assert task.validate(network, "cpu") == _task(songs, validation_windows=3).validate(network, "cpu")


def test_baselines_are_of_the_same_tokens(songs):
    task = _task(songs)
    baselines, description = task.baselines, task.describe()
    assert 0 < baselines["bigram_bits"] < baselines["unigram_bits"] < 12
    bodies = [piece.body for piece in task.pieces["train"]]
    assert description["baselines"] == baselines and description["tokens"]["train"] == sum(map(len, bodies))
    counts = np.bincount(np.concatenate(bodies), minlength=4097) + 1e-3
    targets = task.held_out.targets[task.held_out.inside].numpy()
    assert baselines["unigram_bits"] <= -np.log2(counts / counts.sum())[targets].mean() + 1e-9


@pytest.mark.slow
def test_it_predicts_better_than_counts(tmp_path):
    """Which note ends follows from the one that began, and not from the last two tokens."""
    rng = np.random.default_rng(0)

    def piece(number):
        pitches = 60 + (rng.integers(12) + np.cumsum(rng.choice([1, 2], 30))) % 12
        notes = (Event(24 * i, int(pitch), 12, 72) for i, pitch in enumerate(pitches))
        return Piece(Song(48, (Part(tuple(notes)),), name=str(number)), "scale")

    pieces = {"train": [piece(n) for n in range(60)], "valid": [piece(n) for n in range(60, 70)], "test": [piece(99)]}
    settings = {"steps": 80, "validate_every": 20, "batch_size": 8, "validation_windows": 10, "learning_rate": 5e-3}
    network = replace(NETWORK, channels=32, dropout=0.0, styles=("scale",))
    songs = write_songs(tmp_path / "data", pieces)
    task = _task(songs, network, **settings, augment_probability=0.0, transpose_semitones=0.0)
    reports = []
    run_task(task, tmp_path / "run", on_progress=reports.append)
    bits = [report.losses["valid/bits"] for report in reports if "valid/bits" in report.losses]
    assert bits[-1] < 0.8 * task.baselines["bigram_bits"] < bits[0], (bits, task.baselines)


def test_what_does_not_fit_is_refused(songs, tmp_path):
    for network, message in (
        (replace(NETWORK, styles=("scales",)), "fifths.*scales"),
        (replace(NETWORK, critic=True), "critic"),
    ):
        with pytest.raises(UsageError, match=message):
            _task(songs, network)
    noise = (Part((Event(0, 60, 5),), program=121),)
    splits = ("train", "valid", "test")
    silent = {split: [Piece(Song(48, noise, name=split), "scales")] for split in splits}
    with pytest.raises(InputError):
        _task(write_songs(tmp_path / "silent", silent))
    start = MuseNet(NETWORK)
    assert _task(songs, initial=start).build() is start
