"""Labelled notes, the one update, the held-out scores."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.datasets.nsynth.note import FAMILIES, QUALITIES, SOURCES
from wavecore.errors import InputError, UsageError
from wavecore.models.note_classifier import train as classifier_train
from wavecore.models.note_classifier.config import ClassifierTrainingConfig, NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier, NoteLogits
from wavecore.models.note_classifier.train import ClassifierTask, LabelledNotes, negative_log_likelihood

NETWORK = NoteClassifierConfig(n_samples=8_000, channels=16)
TRAINING = ClassifierTrainingConfig(
    steps=60, batch_size=4, transpose_semitones=0.2, warmup_steps=2, precision="float32"
)
PLAIN = {"transpose_semitones": 0.0, "noise_probability": 0.0}


def make_task(notes, network=NETWORK, **changes):
    return ClassifierTask(notes, network, replace(TRAINING, **changes))


def test_labels_are_those_of_the_notes(notes):
    rows = np.array([5, 0, 3])
    labelled = make_task(notes).labelled("valid", rows)
    assert np.array_equal(mulaw.encode(labelled.audio.numpy()), np.array(notes.codes("valid"))[rows])
    for i, row in enumerate(rows):
        note = notes.notes("valid")[row]
        assert labelled.pitch[i] == note.pitch and FAMILIES[labelled.family[i]] == note.instrument_family_str
        assert SOURCES[labelled.source[i]] == note.instrument_source_str
        assert labelled.quality[i].tolist() == list(note.qualities)
    assert labelled.audio.dtype == labelled.quality.dtype == torch.float32 and labelled.pitch.dtype == torch.int64


@pytest.mark.slow
def test_training_notes_are_detuned_and_noisy(notes):
    plain, detuned = (
        make_task(notes, **{**PLAIN, **changes}, batch_size=12).batch(0)
        for changes in ({}, {"transpose_semitones": 0.4})
    )
    codes = {bytes(row) for row in np.array(notes.codes("train"))}
    assert {bytes(mulaw.encode(x)) for x in plain.audio.numpy()} <= codes, "without augmentation they stay as they are"
    assert torch.equal(plain.pitch, detuned.pitch) and plain.audio.shape == detuned.audio.shape == (12, 8_000)
    cents = []
    for x, y in zip(plain.audio.numpy(), detuned.audio.numpy(), strict=True):
        peaks = [np.abs(np.fft.rfft(each * np.hanning(len(each)), 2**19)).argmax() for each in (x, y)]
        cents.append(1200 * np.log2(peaks[1] / peaks[0]))
    assert max(np.abs(cents)) <= 42 and max(cents) > 5 and min(cents) < -5
    noisy = make_task(notes, transpose_semitones=0.0, noise_probability=1.0, batch_size=12).batch(0)
    assert all(np.mean(x != y) > 0.9 for x, y in zip(plain.audio.numpy(), noisy.audio.numpy(), strict=True))


def test_the_likelihood_by_hand():
    logits = NoteLogits(torch.zeros(2, 128), torch.zeros(2, 10), torch.zeros(2, 11), torch.zeros(2, 3))
    labels = LabelledNotes(
        torch.zeros(2, 8), torch.tensor([60, 61]), torch.tensor([0, 10]), torch.tensor([0, 2]), torch.ones(2, 10)
    )
    expected = np.log(128) + np.log(11) + np.log(3) + 10 * np.log(2)
    assert float(negative_log_likelihood(logits, labels)) == pytest.approx(expected, rel=1e-6)
    sure = replace(logits, quality=torch.full((2, 10), 100.0))
    assert float(negative_log_likelihood(sure, labels)) == pytest.approx(expected - 10 * np.log(2), rel=1e-6)


@pytest.mark.slow
def test_training_lowers_the_loss_and_learns_the_pitches(notes):
    network = replace(NETWORK, channels=32, dropout=0.0)
    task = make_task(notes, network, learning_rate=0.01, batch_size=8, noise_probability=0.0)
    trainer = task.trainer(task.build(), "cpu")
    measures = [trainer.update(task.batch(step)) for step in range(60)]
    assert measures[0]["bits"] == pytest.approx(np.log2(128 * 11 * 3) + 10, abs=1e-3)
    assert np.mean([record["bits"] for record in measures[-5:]]) < 3
    assert np.mean([record["pitch/accuracy"] for record in measures[-5:]]) > 0.8
    assert set(measures[0]) == {"bits", "pitch/accuracy", "gradient_norm", "learning_rate"} and trainer.step == 60
    _, scores = task.score(trainer.network.eval(), "cpu", split="train")
    assert scores.n_notes == 10 and scores.family_accuracy == 1 and scores.quality_f1 == 1


def test_dropout_depends_on_seed_and_step_and_not_on_the_caller_s_generator(notes):
    norms = []
    for seed, step in ((0, 0), (0, 0), (1, 0), (0, 1)):
        network = NoteClassifier(NETWORK)
        network.load_state_dict(make_task(notes).build().state_dict())
        torch.nn.init.constant_(network.heads.weight, 0.1)
        trainer = make_task(notes, seed=seed).trainer(network, "cpu")
        trainer.step = step
        torch.randn(7)
        norms.append(trainer.update(make_task(notes).batch(0))["gradient_norm"])
    assert norms[0] == norms[1] and len(set(norms)) == 3


def test_validation_is_over_every_held_out_note(notes, monkeypatch):
    task = make_task(notes)
    network = task.build().eval()
    torch.nn.init.normal_(network.heads.weight, std=0.5, generator=torch.Generator().manual_seed(0))
    measures = task.validate(network, "cpu")
    labels = task.labelled("valid", np.arange(6))
    logits = network(labels.audio)
    bits = float(negative_log_likelihood(logits, labels).detach()) / np.log(2)
    assert measures["valid/bits"] == pytest.approx(bits, rel=1e-5)
    assert measures["valid/pitch/accuracy"] == float((logits.pitch.argmax(1) == labels.pitch).float().mean())
    assert {f"valid/{name}/accuracy" for name in ("pitch", "quality", "family", "source")} < set(measures)
    assert "valid/quality/f1" in measures
    monkeypatch.setattr(classifier_train, "ROWS", 4)  # six notes in two parts of unequal size
    again = task.validate(network, "cpu")
    assert again == {name: pytest.approx(value, rel=1e-5) for name, value in measures.items()}
    with pytest.raises(UsageError, match="'other'"):
        task.score(network, "cpu", split="other")


def test_a_measure_that_is_not_defined_is_left_out_and_nan_is_refused(notes):
    task = make_task(notes)
    network, labelled = task.build().eval(), task.labelled
    with torch.no_grad():
        network.heads.bias[128:138] = -9  # no bit is detected, and none will be set
    task.labelled = lambda split, rows: replace(labelled(split, rows), quality=torch.zeros(len(rows), 10))
    assert "valid/quality/f1" not in task.validate(network, "cpu")
    network.heads.bias.data[0] = float("nan")
    with pytest.raises(InputError, match="pitch: 6 of 768"):
        task.validate(network, "cpu")


def test_the_description_is_json(notes):
    description = make_task(notes).describe()
    assert json.loads(json.dumps(description)) == description and description["families"] == ["flute", "organ"]


@pytest.mark.parametrize(
    ("network", "training", "offending"),
    [
        ({"n_samples": 64_000}, {}, "8000 samples.*64000"),
        ({"sample_rate": 8_000}, {}, "16000 Hz.*8000 Hz"),
        ({"families": FAMILIES[::-1]}, {}, "families"),
        ({"sources": ("acoustic",)}, {}, "sources"),
        ({"qualities": QUALITIES[:9]}, {}, "qualities"),
        ({}, {"transpose_semitones": 0.6}, "0.6.*0.5"),
    ],
)
def test_networks_that_do_not_fit_the_notes_are_refused(notes, network, training, offending):
    with pytest.raises(UsageError, match=offending):
        make_task(notes, replace(NETWORK, **network), **training)


@pytest.mark.parametrize("missing", ["train", "valid"])
def test_data_without_a_split_are_refused(make_notes, tmp_path, missing):
    pitches = {split: (60,) for split in ("train", "valid", "test") if split != missing}
    with pytest.raises(UsageError, match=f"'{missing}'"):
        make_task(make_notes(tmp_path / "n", pitches=pitches))
