"""Crops of melodies, the loss and the held-out measure."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.lstm.config import LSTMConfig, LSTMTrainingConfig
from wavecore.models.lstm.train import Crops, LSTMTask, total_nats
from wavecore.symbolic.note_sequence import NoteLine

TRAINING = LSTMTrainingConfig(
    steps=12, batch_size=4, crop_notes=6, learning_rate=1e-2, transpose_semitones=3.0, warmup_steps=2
)
LENGTHS = {"train": (20, 9, 30, 12, 4), "valid": (18, 3, 11), "test": (10,)}
CONFIG = LSTMConfig(("rest", *map(str, range(58, 75))), (1, 2, 4), embedding=8, hidden=16, n_layers=1, window=8)


def scales(path, lengths):
    """Melodies that go up and down a scale from anywhere in it, all their notes equally long."""
    rng = np.random.default_rng(0)
    steps = np.array([60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62])

    def piece(name, n):
        begin = int(rng.integers(14))
        line = NoteLine(tuple(str(p) for p in np.resize(np.roll(steps, -begin), n)), (int(rng.choice([1, 2, 4])),) * n)
        return Piece(line.to_song(name=name), "made")

    pieces = {split: [piece(f"{split}{row}", n) for row, n in enumerate(sizes)] for split, sizes in lengths.items()}
    return write_songs(path, pieces)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A few melodies; the last one for training is shorter than a crop."""
    return scales(tmp_path_factory.mktemp("songs") / "data", LENGTHS)


def task_of(dataset, config=CONFIG, **changes):
    return LSTMTask(dataset, config, replace(TRAINING, **changes))


@pytest.mark.slow
def test_every_melody_comes_once_in_an_epoch(tmp_path):
    """Whole, or half of it at least; in a quarter of the crops from its beginning, however long it is."""
    beginnings = {2: 0, 5: 0, 11: 0, 23: 0, 47: 0}
    task = task_of(scales(tmp_path / "data", LENGTHS | {"train": tuple(beginnings)}), batch_size=5, crop_notes=99)
    orders = set()
    for step in range(400):
        crops = task.batch(step)
        lengths = crops.inside.sum(1).tolist()
        melodies = [next(n for n in beginnings if length <= n) for length in lengths]
        assert sorted(melodies) == list(beginnings)
        assert all(2 * length >= n for length, n in zip(lengths, melodies, strict=True))
        orders.add(tuple(melodies))
        for n, length, first in zip(melodies, lengths, crops.notes[:, 0].tolist(), strict=True):
            assert (first == len(CONFIG.symbols)) == (length == n)
            beginnings[n] += length == n
    assert len(orders) > 50
    assert all(60 < count < 140 for count in beginnings.values())


def test_crops_are_transposed_parts_of_melodies(dataset):
    task, seen, starts = task_of(dataset), set(), set()
    for step in range(30):
        crops = task.batch(step)
        assert crops.notes.shape == crops.durations.shape == (4, 7) and crops.inside.shape == (4, 6)
        rows = zip(crops.notes.numpy(), crops.durations.numpy(), crops.inside.numpy(), strict=True)
        for notes, durations, inside in rows:
            n = int(inside.sum())
            assert inside[:n].all() and n in (2, 3, 4, 6)
            starts.add(bool(notes[0] == 18 and durations[0] == 3))
            first = 1 if notes[0] == 18 else 0
            notes, durations = notes[first : n + 1], durations[first : n + 1]
            shifts = {
                int(notes[0] - melody[begin])
                for melody, lengths in task.lines["train"]
                for begin in range(len(melody) - len(notes) + 1)
                if np.ptp(notes - melody[begin : begin + len(notes)]) == 0
                and (durations == lengths[begin : begin + len(notes)]).all()
            }
            assert shifts & set(range(-3, 4))
            seen |= shifts
    assert starts == {True, False} and {-2, 0, 2} <= seen


def test_batches_differ_by_step_and_seed(dataset):
    first, later, other = task_of(dataset).batch(3), task_of(dataset).batch(4), task_of(dataset, seed=1).batch(3)
    assert not torch.equal(first.notes, later.notes) and not torch.equal(first.notes, other.notes)


def test_the_cross_entropy_is_that_within_the_melodies():
    crops = Crops(
        torch.tensor([[9, 1, 2, 0], [9, 0, 0, 0]]),
        torch.tensor([[9, 1, 0, 0], [9, 1, 0, 0]]),
        torch.tensor([[True, True, False], [True, False, False]]),
    )
    note_logits, duration_logits = torch.zeros(2, 3, 4), torch.zeros(2, 3, 2)
    note_logits[0, 1, 2] = 100.0
    nats = total_nats(note_logits, duration_logits, crops)
    torch.testing.assert_close(nats, torch.tensor([2 * np.log(4), 3 * np.log(2)], dtype=torch.float32))


def test_whole_melodies_are_measured_whatever_the_batch(dataset):
    task = task_of(dataset)
    network = task.build().eval()
    nats, n_notes = np.zeros(2), 0
    for line in task.lines["valid"]:
        targets = torch.from_numpy(line)
        inputs = torch.cat([torch.tensor(CONFIG.start)[:, None], targets[:, :-1]], dim=1)
        with torch.no_grad():
            logits = network(*inputs[:, None])[:2]
        nats += [float(F.cross_entropy(each[0], t, reduction="sum")) for each, t in zip(logits, targets, strict=True)]
        n_notes += line.shape[1]
    found = task.validate(network, "cpu")
    bits = nats / n_notes / np.log(2)
    np.testing.assert_allclose([found["valid/note_bits"], found["valid/duration_bits"]], bits, rtol=1e-5)
    assert found["valid/bits"] == pytest.approx(bits.sum(), rel=1e-5)
    assert task.describe()["melodies"] == {"train": 5, "valid": 3}


@pytest.mark.slow
def test_it_learns_the_scale(tmp_path):
    many = scales(tmp_path / "many", {"train": (20,) * 60, "valid": (20,) * 9, "test": (20,)})
    changes = {"steps": 300, "batch_size": 8, "crop_notes": 20, "transpose_semitones": 1.0}
    task = task_of(many, replace(CONFIG, hidden=48, window=3), **changes)
    trainer = task.trainer(task.build(), "cpu")
    before = task.validate(trainer.averaged_network(), "cpu")["valid/bits"]
    for step in range(300):
        trainer.update(task.batch(step))
    # The first note and its duration can hardly be known, 0.3 bits of every note's; then there are direction and key.
    assert task.validate(trainer.averaged_network(), "cpu")["valid/bits"] < 1.0 < 4.0 < before
