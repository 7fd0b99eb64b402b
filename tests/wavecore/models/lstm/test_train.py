"""Crops of melodies, the one update, the held-out measure, a run that is interrupted and resumed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import InputError, UsageError
from wavecore.models.lstm.config import LSTMConfig, LSTMTrainingConfig
from wavecore.models.lstm.model import LSTM
from wavecore.models.lstm.train import Crops, LSTMTask, learnt_vocabulary, surprise
from wavecore.symbolic.note_sequence import NoteLine
from wavecore.training.loop import run_task

TRAINING = LSTMTrainingConfig(
    steps=12, batch_size=4, crop_notes=6, learning_rate=1e-2, transpose_semitones=3.0, glide_semitones=0.0, warmup_steps=2, validate_every=6,
    checkpoint_every=5, precision="float32",
)  # fmt: skip
LENGTHS = {"train": (20, 9, 30, 12, 4), "valid": (18, 3, 11), "test": (10,)}


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


@pytest.fixture(scope="module")
def config():
    return LSTMConfig(("rest", *map(str, range(58, 75))), (1, 2, 4), embedding=8, hidden=16, n_layers=1, window=8)


def _task(dataset, config, initial=None, **changes):
    return LSTMTask(dataset, config, replace(TRAINING, **changes), initial)


def test_every_melody_comes_once_in_an_epoch(tmp_path, config):
    """Whole, or half of it at least: as it begins in a quarter of the crops, however long it is."""
    task = _task(
        scales(tmp_path / "data", LENGTHS | {"train": (2, 5, 11, 23, 47)}), config, batch_size=5, crop_notes=99
    )
    orders, beginnings = set(), {2: 0, 5: 0, 11: 0, 23: 0, 47: 0}
    for step in range(400):
        crops = task.batch(step)
        lengths = crops.inside.sum(1).tolist()
        melodies = [next(n for n in beginnings if length <= n) for length in lengths]
        assert sorted(melodies) == list(beginnings) and all(
            2 * length >= n for length, n in zip(lengths, melodies, strict=True)
        )
        orders.add(tuple(melodies))
        for n, length, first in zip(melodies, lengths, crops.notes[:, 0].tolist(), strict=True):
            assert (first == len(config.symbols)) == (length == n)
            beginnings[n] += length == n
    assert len(orders) > 50
    assert all(60 < count < 140 for count in beginnings.values())


def test_crops_are_parts_of_melodies_moved_as_far_as_the_vocabulary_goes(dataset, config):
    task, moved, starts = _task(dataset, config), set(), set()
    for step in range(30):
        crops = task.batch(step)
        assert crops.notes.shape == crops.durations.shape == (4, 7) and crops.inside.shape == (4, 6)
        for notes, durations, inside in zip(
            crops.notes.numpy(), crops.durations.numpy(), crops.inside.numpy(), strict=True
        ):
            n = int(inside.sum())
            assert inside[:n].all() and n in (2, 3, 4, 6), n
            starts.add(bool(notes[0] == 18 and durations[0] == 3))
            first = 1 if notes[0] == 18 else 0
            found = [
                int(notes[first] - known[begin])
                for known, lasting in task.lines["train"]
                for begin in range(len(known) - (n - first))
                if len(set((notes[first : n + 1] - known[begin : begin + n + 1 - first]).tolist())) == 1
                and (durations[first : n + 1] == lasting[begin : begin + n + 1 - first]).all()
            ]
            assert set(found) & set(range(-3, 4))
            moved |= set(found)
    assert starts == {True, False} and {-2, 0, 2} <= moved


def test_a_step_has_one_batch(dataset, config):
    first, again, later = (
        _task(dataset, config).batch(3),
        _task(dataset, config).batch(3),
        _task(dataset, config).batch(4),
    )
    other = _task(dataset, config, seed=1).batch(3)
    assert torch.equal(first.notes, again.notes) and torch.equal(first.inside, again.inside)
    assert not torch.equal(first.notes, later.notes) and not torch.equal(first.notes, other.notes)


def test_surprise_is_counted_inside_only():
    crops = Crops(
        torch.tensor([[9, 1, 2, 0], [9, 0, 0, 0]]),
        torch.tensor([[9, 1, 0, 0], [9, 1, 0, 0]]),
        torch.tensor([[True, True, False], [True, False, False]]),
    )
    note_logits, duration_logits = torch.zeros(2, 3, 4), torch.zeros(2, 3, 2)
    note_logits[0, 1, 2] = 100.0
    notes, durations = surprise(note_logits, duration_logits, crops)
    torch.testing.assert_close(notes, torch.tensor(2 * np.log(4), dtype=torch.float32))
    torch.testing.assert_close(durations, torch.tensor(3 * np.log(2), dtype=torch.float32))


def test_whole_melodies_are_measured_whatever_the_batch(dataset, config):
    task = _task(dataset, config)
    network = task.build().eval()
    nats, n_notes = np.zeros(2), 0
    for line in task.lines["valid"]:
        notes, durations = torch.from_numpy(line)
        heard = [
            torch.cat([torch.tensor([start]), numbers[:-1]])[None]
            for start, numbers in zip(network.start, (notes, durations), strict=True)
        ]
        with torch.no_grad():
            logits = network(*heard)[:2]
        nats += [
            float(torch.nn.functional.cross_entropy(said[0], came, reduction="sum"))
            for said, came in zip(logits, (notes, durations), strict=True)
        ]
        n_notes += len(notes)
    found = task.validate(network, "cpu")
    np.testing.assert_allclose(
        [found["valid/note_bits"], found["valid/duration_bits"]], nats / n_notes / np.log(2), rtol=1e-5
    )
    assert found["valid/bits"] == pytest.approx(sum(nats) / n_notes / np.log(2), rel=1e-5)


def test_a_run_is_the_same_when_resumed(dataset, config, tmp_path):
    run_task(_task(dataset, config), tmp_path / "whole")

    class Stopped(LSTMTask):
        def batch(self, step):
            if step == 7:
                raise KeyboardInterrupt
            return super().batch(step)

    with pytest.raises(KeyboardInterrupt):
        run_task(Stopped(dataset, config, TRAINING), tmp_path / "parted")
    run_task(_task(dataset, config), tmp_path / "parted", resume=True)
    one, two = (checkpoint.load(tmp_path / name / "last", kind="lstm") for name in ("whole", "parted"))
    assert one.sha256 == two.sha256 and one.network.config == config
    assert one.card["training"]["data"]["melodies"] == {"train": 5, "valid": 3}


@pytest.mark.slow
def test_it_learns_the_scale(config, tmp_path):
    many, seen = scales(tmp_path / "many", {"train": (20,) * 60, "valid": (20,) * 9, "test": (20,)}), []
    task = _task(
        many,
        replace(config, hidden=48, window=3),
        steps=300,
        validate_every=100,
        batch_size=8,
        crop_notes=20,
        transpose_semitones=1.0,
    )
    run_task(task, tmp_path / "run", on_progress=lambda progress: seen.append(progress.losses))
    found = [losses for losses in seen if "valid/bits" in losses]
    # Of the first note and its duration little can be known, 0.3 bits of every note's; then whether it goes up or down, and in which of three keys.
    assert found[-1]["valid/bits"] < 1.0 < 1.5 < found[0]["valid/bits"] < 5.9, found
    assert found[-1]["valid/bits"] == pytest.approx(found[-1]["valid/note_bits"] + found[-1]["valid/duration_bits"])


def test_what_the_data_hold_often_is_the_vocabulary(dataset):
    found = learnt_vocabulary(dataset)
    assert found.symbols == ("rest", *map(str, range(60, 73))) and set(found.durations) <= {1, 2, 4}
    with pytest.raises(InputError, match="no vocabulary"):
        learnt_vocabulary(
            replace(dataset, pieces={"train": [Piece(NoteLine(("60", "62"), (1, 2)).to_song(name="x"), "made")]})
        )


def test_what_does_not_fit_is_refused(dataset, config):
    with pytest.raises(UsageError, match="another vocabulary"):
        _task(dataset, config, initial=LSTM(replace(config, hidden=4)))
    start = LSTM(config)
    assert _task(dataset, config, initial=start).build() is start
