"""Labelled notes, the one update, the held-out scores, and a run that is interrupted and resumed."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import mulaw
from wavecore.datasets.nsynth.note import FAMILIES, QUALITIES, SOURCES
from wavecore.errors import InputError, ModelError, OutputExistsError, UsageError
from wavecore.models.note_classifier import train as classifier_task
from wavecore.models.note_classifier.config import ClassifierTrainingConfig, NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier, NoteLogits
from wavecore.models.note_classifier.train import ClassifierTask, LabelledNotes, surprise
from wavecore.training.loop import run_task

NETWORK = NoteClassifierConfig(FAMILIES, SOURCES, QUALITIES, n_samples=8_000, channels=16)
TRAINING = ClassifierTrainingConfig(
    steps=12, batch_size=4, transpose_semitones=0.2, glide_semitones=0.0, warmup_steps=2, validate_every=6,
    checkpoint_every=5, precision="float32",
)  # fmt: skip
PLAIN = {"transpose_semitones": 0.0, "noise_probability": 0.0}
NAMES = ("audio", "pitch", "family", "source", "quality")


def _task(notes, network=NETWORK, **changes):
    return ClassifierTask(notes, network, replace(TRAINING, **changes))


def test_labels_are_those_of_the_notes_that_sound(notes):
    rows = np.array([5, 0, 3])
    found = _task(notes).held_out(rows)
    assert np.array_equal(mulaw.encode(found.audio.numpy()), np.array(notes.codes("valid"))[rows])
    for i, row in enumerate(rows):
        note = notes.notes("valid")[row]
        assert found.pitch[i] == note.pitch and FAMILIES[found.family[i]] == note.instrument_family_str
        assert SOURCES[found.source[i]] == note.instrument_source_str
        assert found.quality[i].tolist() == list(note.qualities)
    assert found.audio.dtype == found.quality.dtype == torch.float32 and found.pitch.dtype == torch.int64


def test_a_step_has_one_batch_and_another_step_or_seed_another(notes):
    first, again, later, other = (
        _task(notes).batch(3), _task(notes).batch(3), _task(notes).batch(4), _task(notes, seed=1).batch(3)
    )  # fmt: skip
    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in NAMES)
    assert first.audio.shape == (4, 8_000)
    assert not torch.equal(first.audio, later.audio) and not torch.equal(first.audio, other.audio)


def test_without_augmentation_training_hears_the_notes_as_they_are(notes):
    batch = _task(notes, **PLAIN, batch_size=20).batch(0)
    known = {bytes(codes) for codes in np.array(notes.codes("train"))}
    assert {bytes(mulaw.encode(x)) for x in batch.audio.numpy()} <= known
    assert set(batch.pitch.tolist()) == {57, 60, 64, 67, 72}


def test_training_notes_are_out_of_tune_and_noisy(notes):
    plain, bent = (
        _task(notes, **{**PLAIN, **changes}, batch_size=8).batch(0) for changes in ({}, {"transpose_semitones": 0.4})
    )
    assert torch.equal(plain.pitch, bent.pitch) and plain.audio.shape == bent.audio.shape
    cents = []
    for x, y in zip(plain.audio.numpy(), bent.audio.numpy(), strict=True):
        peaks = [np.abs(np.fft.rfft(each * np.hanning(len(each)), 2**19)).argmax() for each in (x, y)]
        cents.append(1200 * np.log2(peaks[1] / peaks[0]))
    assert max(np.abs(cents)) <= 42 and max(cents) > 5 and min(cents) < -5
    noisy = _task(notes, transpose_semitones=0.0, noise_probability=1.0, batch_size=8).batch(0)
    assert all(np.mean(x != y) > 0.9 for x, y in zip(plain.audio.numpy(), noisy.audio.numpy(), strict=True))


def test_notes_go_to_a_device(notes):
    moved = _task(notes).batch(0).to(torch.device("meta"))
    assert {getattr(moved, name).device.type for name in NAMES} == {"meta"}


def test_surprise_by_hand():
    logits = NoteLogits(torch.zeros(2, 128), torch.zeros(2, 10), torch.zeros(2, 11), torch.zeros(2, 3))
    labels = LabelledNotes(
        torch.zeros(2, 8), torch.tensor([60, 61]), torch.tensor([0, 10]), torch.tensor([0, 2]), torch.ones(2, 10)
    )
    expected = np.log(128) + np.log(11) + np.log(3) + 10 * np.log(2)
    assert float(surprise(logits, labels)) == pytest.approx(expected, rel=1e-6)
    sure = replace(logits, quality=torch.full((2, 10), 100.0))
    assert float(surprise(sure, labels)) == pytest.approx(expected - 10 * np.log(2), rel=1e-6)


def test_training_lowers_the_loss_and_learns_the_pitches(notes):
    task = _task(
        notes,
        replace(NETWORK, channels=32, dropout=0.0),
        steps=60,
        learning_rate=0.01,
        batch_size=8,
        noise_probability=0.0,
    )
    trainer = task.trainer(task.build(), "cpu")
    found = [trainer.update(task.batch(step)) for step in range(60)]
    assert found[0]["bits"] == pytest.approx(np.log2(128 * 11 * 3) + 10, abs=1e-3)
    assert np.mean([record["bits"] for record in found[-5:]]) < 3
    assert np.mean([record["pitch/accuracy"] for record in found[-5:]]) > 0.8
    assert set(found[0]) == {"bits", "pitch/accuracy", "gradient_norm", "learning_rate"} and trainer.step == 60
    _, scores = task.score(trainer.network.eval(), "cpu", split="train")
    assert scores.n_notes == 10 and scores.family_accuracy == 1 and scores.quality.bit_f1[0] == 1


def test_dropout_depends_on_seed_and_step_and_leaves_the_caller_s_generator_alone(notes):
    before = torch.random.get_rng_state()
    bits = []
    for seed, start in ((0, 0), (0, 0), (1, 0), (0, 1)):
        task = _task(notes, seed=seed)
        network = NoteClassifier(NETWORK)
        network.load_state_dict(_task(notes).build().state_dict())
        torch.nn.init.constant_(network.heads.weight, 0.1)
        trainer = task.trainer(network, "cpu")
        trainer.step = start
        bits.append(trainer.update(_task(notes).batch(0))["gradient_norm"])
        torch.random.set_rng_state(before) if len(bits) == 1 else None
    assert bits[0] == bits[1] and len(set(bits)) == 3


def test_building_leaves_the_caller_s_generator_alone(notes):
    before = torch.random.get_rng_state()
    first, same, other = (_task(notes, seed=seed).build().layers[0].weight for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_validation_is_over_every_held_out_note(notes, monkeypatch):
    task = _task(notes)
    network = task.build().eval()
    torch.nn.init.normal_(network.heads.weight, std=0.5, generator=torch.Generator().manual_seed(0))
    found = task.validate(network, "cpu")
    labels = task.held_out(np.arange(6))
    logits = network(labels.audio)
    assert found["valid/bits"] == pytest.approx(float(surprise(logits, labels).detach()) / np.log(2), rel=1e-5)
    assert found["valid/pitch/accuracy"] == float((logits.pitch.argmax(1) == labels.pitch).float().mean())
    assert {f"valid/{name}/accuracy" for name in ("pitch", "quality", "family", "source")} < set(found)
    assert "valid/quality/f1" in found
    monkeypatch.setattr(classifier_task, "ROWS", 4)  # six notes in two parts of unequal size
    again = task.validate(network, "cpu")
    assert again == {name: pytest.approx(value, rel=1e-5) for name, value in found.items()}


def test_a_measure_that_is_not_defined_is_left_out(notes):
    task = _task(notes)
    network = task.build().eval()
    with torch.no_grad():
        network.heads.bias[128:138] = -9  # no bit is found, and none will be set
    labelled = task.held_out
    task.held_out = lambda rows, split: replace(labelled(rows, split=split), quality=torch.zeros(len(rows), 10))
    assert "valid/quality/f1" not in task.validate(network, "cpu")


def test_the_description_is_json(notes):
    found = _task(notes).describe()
    assert json.loads(json.dumps(found)) == found and found["families"] == ["flute", "organ"]


@pytest.fixture(scope="module")
def undisturbed(notes, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    run_task(_task(notes), out)
    return out


def _final_state(folder):
    newest = sorted((folder / "checkpoint").iterdir())[-1]
    record = json.loads((newest / "state.json").read_text())
    return checkpoint.read_tensors(newest / "state.safetensors"), record


def test_a_run_leaves_models_that_know_their_names(undisturbed):
    for name in ("best", "last"):
        model = checkpoint.load(undisturbed / name, kind="note-classifier")
        assert model.network.config == NETWORK and model.card["families"] == list(FAMILIES)
        assert model.card["training"]["data"]["notes"]["train"] == 10
    assert [row["step"] for row in _final_state(undisturbed)[1]["history"] if "valid/bits" in row] == [6, 12]


@pytest.mark.parametrize("step", [0, 3, 7])
def test_a_run_that_is_interrupted_and_resumed_ends_bit_for_bit_alike(undisturbed, notes, tmp_path, step):
    task = _task(notes)
    genuine = task.batch

    def interrupt(number):
        if number == step:
            raise KeyboardInterrupt
        return genuine(number)

    task.batch = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_task(task, tmp_path / "run")
    assert _final_state(tmp_path / "run")[1]["step"] == step
    torch.randn(7)  # another process has another generator
    run_task(_task(notes), tmp_path / "run", resume=True)
    (tensors, record), (expected, wanted) = _final_state(tmp_path / "run"), _final_state(undisturbed)
    assert tensors.keys() == expected.keys() and record["history"] == wanted["history"]
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name


def test_another_run_is_never_overwritten(undisturbed, notes):
    with pytest.raises(OutputExistsError, match="holds a run already"):
        run_task(_task(notes), undisturbed)


def test_weights_to_start_from(notes):
    network = NoteClassifier(NETWORK)
    assert ClassifierTask(notes, NETWORK, TRAINING, network).build() is network
    with pytest.raises(UsageError, match="other sizes"):
        ClassifierTask(notes, NETWORK, TRAINING, NoteClassifier(replace(NETWORK, channels=8)))


def test_a_loss_that_is_not_finite_stops_the_run(notes):
    task = _task(notes)
    task.build().heads.bias.data[0] = float("nan")
    with pytest.raises(ModelError, match="became nan at step 0"):
        task.trainer(task.build(), "cpu").update(task.batch(0))


@pytest.mark.parametrize(
    ("network", "training", "message"),
    [
        ({"n_samples": 64_000}, {}, "8000 samples at 16000 Hz, the classifier takes 64000 at 16000 Hz"),
        ({"sample_rate": 8_000}, {}, "takes 8000 at 8000 Hz"),
        ({"families": FAMILIES[::-1]}, {}, "the classifier's families are"),
        ({"sources": ("acoustic",)}, {}, "the classifier's sources are"),
        ({"qualities": QUALITIES[:9]}, {}, "the classifier's qualities are"),
        ({}, {"transpose_semitones": 0.6}, "transpose_semitones is 0.6.*more than 0.5"),
    ],
)
def test_what_does_not_fit_the_notes_is_refused(notes, network, training, message):
    with pytest.raises(UsageError, match=message):
        _task(notes, replace(NETWORK, **network), **training)


@pytest.mark.parametrize("missing", ["train", "valid"])
def test_data_without_a_split_are_refused(make_notes, tmp_path, missing):
    pitches = {split: (60,) for split in ("train", "valid", "test") if split != missing}
    with pytest.raises(UsageError, match=f"no split '{missing}'"):
        _task(make_notes(tmp_path / "n", pitches=pitches))


def test_a_split_that_is_not_there_cannot_be_scored(make_notes, tmp_path):
    task = _task(make_notes(tmp_path / "n", pitches={"train": (60,), "valid": (62,)}))
    with pytest.raises(UsageError, match="no split 'test'"):
        task.score(task.build(), "cpu", split="test")


def test_a_network_that_answers_nan_is_not_scored(notes):
    task = _task(notes)
    task.build().heads.bias.data[0] = float("nan")
    with pytest.raises(InputError, match="pitch: 6 of 768 logits are not finite"):
        task.validate(task.build().eval(), "cpu")
