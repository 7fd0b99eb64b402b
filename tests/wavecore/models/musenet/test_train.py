"""Windows, the one update, the held-out measure, a run that is interrupted and resumed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import InputError, UsageError
from wavecore.models.musenet.config import MuseNetConfig, MuseNetTrainingConfig
from wavecore.models.musenet.data import Windows
from wavecore.models.musenet.measures import surprise
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.tokens import DRUMS
from wavecore.models.musenet.train import MuseNetTask, semitones
from wavecore.symbolic.song import Event, Part, Song
from wavecore.training.loop import run_task

NETWORK = MuseNetConfig(
    n_layers=2,
    channels=16,
    n_heads=2,
    context=24,
    patterns=("dense", "strided"),
    block=4,
    styles=("chords", "scale"),
    dropout=0.1,
)
TRAINING = MuseNetTrainingConfig(
    steps=12,
    batch_size=4,
    crop_frames=24,
    learning_rate=1e-2,
    transpose_semitones=3.0,
    glide_semitones=0.0,
    warmup_steps=2,
    validate_every=6,
    checkpoint_every=5,
    validation_crops=2,
    precision="float32",
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Scales by a piano and chords by a violin, of many lengths."""

    def piece(number, style):
        notes = [Event(24 * i, 60 + (i + number) % 12, 24, 72) for i in range(6 + 5 * number)]
        if style == "chords":
            notes = [Event(48 * i, 60 + pitch, 48) for i in range(4 + number) for pitch in (0, 4, 7)]
        return Piece(
            Song(48, (Part(tuple(notes), program=40 if style == "chords" else 0),), name=f"{style}{number}"), style
        )

    numbers = {"train": range(6), "valid": range(6, 8), "test": [8]}
    pieces = {
        split: [piece(number, style) for number in of_split for style in ("chords", "scale")]
        for split, of_split in numbers.items()
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def _task(dataset, network=NETWORK, initial=None, **changes):
    return MuseNetTask(dataset, network, replace(TRAINING, **changes), initial)


def test_muon_turns_the_layers_matrices_and_leaves_vectors_of_tokens_to_adam(dataset):
    task = _task(dataset, optimizer="muon")
    trainer = task.trainer(task.build(), "cpu")
    names = {id(parameter): name for name, parameter in trainer.network.named_parameters()}
    by_kind = {
        group["tables"]: {names[id(parameter)] for parameter in group["params"]}
        for group in trainer.optimizers["musenet"].param_groups
    }
    assert (
        all(name.startswith("layers.") for name in by_kind[False])
        and {"tokens.own", "tokens.pitches", "places"} < by_kind[True]
    )
    assert by_kind[True] | by_kind[False] == set(names.values())
    before = {name: parameter.detach().clone() for name, parameter in trainer.network.named_parameters()}
    trainer.update(task.batch(0))
    for name in ("tokens.own", "layers.0.widened.0.weight"):
        assert not torch.equal(dict(trainer.network.named_parameters())[name], before[name])


def test_a_step_has_one_batch(dataset):
    first, again, later, other = (
        _task(dataset).batch(3),
        _task(dataset).batch(3),
        _task(dataset).batch(4),
        _task(dataset, seed=1).batch(3),
    )
    for name in Windows.__dataclass_fields__:
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.tokens, later.tokens) and not torch.equal(first.tokens, other.tokens)


def test_less_is_transposed_late():
    assert [semitones(replace(TRAINING, steps=100, decay_fraction=0.5), step) for step in (0, 50, 75, 90, 99)] == [
        3,
        3,
        2,
        1,
        0,
    ]
    assert semitones(replace(TRAINING, decay_fraction=0.0), 11) == 3


def test_only_notes_of_the_range_are_heard_in_the_end(dataset):
    task = _task(dataset, steps=10_000, augment_probability=0.0)

    def pitches(step):
        batch = task.batch(step)
        tokens = batch.targets[batch.inside]
        return set((tokens[tokens < DRUMS] % 128).tolist())

    assert not set.union(*(pitches(step) for step in range(20))) <= set(range(60, 72))
    assert set.union(*(pitches(step) for step in range(9_980, 10_000))) <= set(range(60, 72))


def _windows(share=(1.0, 1.0)):
    rng = np.random.default_rng(0)
    tokens, targets = (torch.from_numpy(rng.integers(0, 4000, (2, 6))) for _ in range(2))
    inside = torch.tensor([[False, True, True, True, True, True], [False, False, True, True, False, False]])
    return Windows(tokens, targets, torch.zeros(2, 6, 4, dtype=torch.int64), inside, torch.tensor(share))


def _network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MuseNet(replace(NETWORK, dropout=0.0)).eval()


def test_surprise_is_the_mean_over_music():
    windows, network = _windows(), _network()
    logits = network(windows.tokens, windows.features)
    wanted = F.cross_entropy(logits[windows.inside], windows.targets[windows.inside])
    torch.testing.assert_close(surprise(network, windows), wanted)


def test_of_a_mixed_window_both_tokens_count():
    windows, network = _windows((0.7, 1.0)), _network()
    vectors = network.tokens()
    x = network.embed(windows.tokens, windows.features, vectors)
    x = torch.stack([0.7 * x[0] + 0.3 * x[1], x[1]])
    nats = -network.logits(network.hidden(x), vectors).log_softmax(-1)
    own = [nats[row, place, windows.targets[row, place]] for row, place in windows.inside.nonzero().tolist()]
    other = [nats[0, place, windows.targets[1, place]] for place in (2, 3)]
    weights = [0.7] * 5 + [1.0] * 2 + [0.3] * 2
    wanted = sum(weight * value for weight, value in zip(weights, own + other, strict=True)) / sum(weights)
    torch.testing.assert_close(surprise(network, windows), wanted)


def test_held_out_windows_are_plain_and_of_all_styles(dataset):
    task = _task(dataset, validation_crops=3)
    assert task.held_out.tokens.shape == (6, 24) and (task.held_out.share == 1).all()
    assert task.held_out.tokens[:, 0].tolist() == [4139] * 3 + [4140] * 3
    network = _network()
    found = task.validate(network, "cpu")["valid/bits"]
    assert found == pytest.approx(float(surprise(network, task.held_out).detach()) / np.log(2), rel=1e-5)
    assert _task(dataset, validation_crops=3).validate(network, "cpu")["valid/bits"] == found


def test_baselines_are_of_the_same_tokens(dataset):
    task = _task(dataset)
    found = task.baselines
    assert 0 < found["bigram_bits"] < found["unigram_bits"] < 12
    assert task.describe()["baselines"] == found and task.describe()["tokens"]["train"] == sum(
        len(piece.body) for piece in task.pieces["train"]
    )
    counts = np.bincount(np.concatenate([piece.body for piece in task.pieces["train"]]), minlength=4097) + 1e-3
    told = task.held_out.targets[task.held_out.inside].numpy()
    assert found["unigram_bits"] <= -np.log2(counts / counts.sum())[told].mean() + 1e-9


def test_a_run_learns_and_is_the_same_when_resumed(dataset, tmp_path):
    run_task(_task(dataset), tmp_path / "whole")

    class Stopped(MuseNetTask):
        def batch(self, step):
            if step == 7:
                raise KeyboardInterrupt
            return super().batch(step)

    with pytest.raises(KeyboardInterrupt):
        run_task(Stopped(dataset, NETWORK, TRAINING), tmp_path / "parted")
    run_task(MuseNetTask(dataset, NETWORK, TRAINING, recompute=True), tmp_path / "parted", resume=True)
    one, two = (checkpoint.load(tmp_path / name / "last", kind="musenet") for name in ("whole", "parted"))
    assert one.sha256 == two.sha256, "also with dropout, and where layers are recomputed"
    assert one.network.config == NETWORK and one.card["styles"] == ["chords", "scale"]
    assert one.card["training"]["data"]["baselines"].keys() == {"unigram_bits", "bigram_bits"}


@pytest.mark.slow
def test_it_beats_counting(tmp_path):
    """What note ends is known to who remembers which one began; two tokens in a row do not tell."""
    rng = np.random.default_rng(0)

    def piece(number):
        pitches = 60 + (rng.integers(12) + np.cumsum(rng.choice([1, 2], 30))) % 12
        notes = (Event(24 * i, int(pitch), 12, 72) for i, pitch in enumerate(pitches))
        return Piece(Song(48, (Part(tuple(notes)),), name=str(number)), "scale")

    pieces = {"train": [piece(n) for n in range(60)], "valid": [piece(n) for n in range(60, 70)], "test": [piece(99)]}
    task = _task(
        write_songs(tmp_path / "data", pieces),
        replace(NETWORK, channels=32, dropout=0.0, styles=("scale",)),
        steps=120,
        validate_every=30,
        batch_size=8,
        validation_crops=10,
        learning_rate=5e-3,
        augment_probability=0.0,
        transpose_semitones=0.0,
    )
    losses = []
    run_task(task, tmp_path / "run", on_progress=lambda progress: losses.append(progress.losses.get("valid/bits")))
    found = [loss for loss in losses if loss is not None]
    assert found[-1] < 0.8 * task.baselines["bigram_bits"] < found[0], (found, task.baselines)


def test_what_does_not_fit_is_refused(dataset, tmp_path):
    for network, changes, message in (
        (replace(NETWORK, styles=("scale",)), {}, "the styles chords, which the network lacks; it has scale"),
        (NETWORK, {"crop_frames": 20}, "crop_frames is 20 and the context 24"),
        (replace(NETWORK, critic=True), {}, "inner critic is trained no further"),
    ):
        with pytest.raises(UsageError, match=message):
            _task(dataset, network, **changes)
    with pytest.raises(UsageError, match="other sizes"):
        _task(dataset, initial=MuseNet(replace(NETWORK, channels=8)))
    noise = Piece(Song(48, (Part((Event(0, 60, 5),), program=121),), name="noise"), "scale")
    silent = write_songs(
        tmp_path / "silent",
        {split: [Piece(replace(noise.song, name=split), "scale")] for split in ("train", "valid", "test")},
    )
    with pytest.raises(InputError, match="nothing can be learnt"):
        _task(silent)
    start = MuseNet(NETWORK)
    assert _task(dataset, initial=start).build() is start
