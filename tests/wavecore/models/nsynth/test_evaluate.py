"""The table: originals and reconstructions before the same judge."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.nsynth.note import FAMILIES, QUALITIES, SOURCES
from wavecore.errors import UsageError
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier
from wavecore.models.nsynth import evaluate as evaluate_notes
from wavecore.models.nsynth import interpolate
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.spectral.config import SpectralConfig
from wavecore.models.spectral.model import SpectralNetwork
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNetConfig

N = 3_200


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=N)


@pytest.fixture(scope="module")
def keep(tmp_path_factory):
    """Save a network and load it as a model."""

    def run(network):
        folder = tmp_path_factory.mktemp("models") / network.kind
        checkpoint.save(network, folder)
        return checkpoint.load(folder, kind=network.kind)

    return run


@pytest.fixture(scope="module")
def nsynth(keep):
    torch.manual_seed(0)
    encoder = EncoderConfig(latent_channels=4, hop_length=160, channels=8, n_bins=96, fmin_hz=130.8)
    return keep(
        NSynthNetwork(NSynthConfig(encoder, WaveNetConfig(1, 3, 2, 8, 8, 8, 8, latent_channels=4, hop_length=160)))
    )


@pytest.fixture(scope="module")
def classifier(keep):
    torch.manual_seed(1)
    network = NoteClassifier(
        NoteClassifierConfig(tuple(FAMILIES), tuple(SOURCES), tuple(QUALITIES), n_samples=N, channels=8)
    )
    torch.nn.init.normal_(network.heads.weight)
    return keep(network)


def test_notes_are_spread_over_the_split(data):
    notes, sounds = evaluate_notes.choose(data, "train", 4)
    every = data.notes("train")
    assert notes[0] == every[0] and notes[-1] == every[-1] and len(notes) == 4
    assert sounds.shape == (4, N) and sounds.dtype == np.float32
    assert len(evaluate_notes.choose(data, "train", 1000)[0]) == len(every)
    some, _ = evaluate_notes.choose(data, "train", 3, pitches=range(60, 68))
    allowed = [note for note in every if note.pitch in (60, 64, 67)]
    assert len(some) == 3 and some[0] == allowed[0] and some[-1] == allowed[-1]
    with pytest.raises(UsageError, match="no note of MIDI 61 to 62 in train"):
        evaluate_notes.choose(data, "train", 4, pitches=(61, 62))
    with pytest.raises(UsageError, match="0 notes"):
        evaluate_notes.choose(data, "train", 0)
    with pytest.raises(UsageError, match="no split 'other'"):
        evaluate_notes.choose(data, "other", 3)


def test_reconstructions_have_length_and_level_of_their_originals(data, nsynth, monkeypatch):
    notes, sounds = evaluate_notes.choose(data, "train", 5)
    told = []
    said = evaluate_notes.reconstruct_wavenet(
        nsynth, notes, sounds, seed=3, on_progress=lambda *done: told.append(done)
    )
    assert said.shape == sounds.shape and told == [(5, 5)]
    for x, original in zip(said, sounds, strict=True):
        assert interpolate.loud_db(x) == pytest.approx(interpolate.loud_db(original), abs=0.1)
    monkeypatch.setattr(evaluate_notes, "AT_ONCE", 2)
    np.testing.assert_array_equal(evaluate_notes.reconstruct_wavenet(nsynth, notes, sounds, seed=3), said)


@pytest.mark.parametrize("pitch_channels", [0, 2])
def test_the_baseline_s_too(data, keep, pitch_channels):
    model = keep(SpectralNetwork(SpectralConfig(base_channels=2, latent_channels=4, pitch_channels=pitch_channels)))
    notes, sounds = evaluate_notes.choose(data, "train", 3)
    said = evaluate_notes.reconstruct_spectral(model, notes, sounds, seed=0)
    assert said.shape == sounds.shape and np.isfinite(said).all() and np.abs(said).max() < 1
    np.testing.assert_array_equal(evaluate_notes.reconstruct_spectral(model, notes, sounds, seed=0), said)


def test_the_judge_hears_what_the_network_says(data, classifier, monkeypatch):
    notes, sounds = evaluate_notes.choose(data, "train", 6)
    with torch.inference_mode():
        heard = classifier.network(torch.from_numpy(sounds))
    pitch = heard.pitch.argmax(dim=1).tolist()
    wanted = np.mean([guess == note.pitch for guess, note in zip(pitch, notes, strict=True)])
    families = [FAMILIES[i] for i in heard.family.argmax(dim=1).tolist()]
    scores = evaluate_notes.judge(classifier, notes, sounds)
    assert scores.n_notes == 6 and scores.pitch_accuracy == pytest.approx(wanted)
    right = np.mean([guess == note.instrument_family_str for guess, note in zip(families, notes, strict=True)])
    assert scores.family_accuracy == pytest.approx(right)
    row = evaluate_notes.summary(scores)
    assert set(row) == {
        "pitch_accuracy", "quality_f1", "quality_accuracy", "family_accuracy", "source_accuracy", "n_notes"
    }  # fmt: skip
    monkeypatch.setattr(evaluate_notes, "AT_ONCE", 4)
    assert evaluate_notes.judge(classifier, notes, sounds).pitch_accuracy == scores.pitch_accuracy


def test_a_judge_that_does_not_know_a_family_is_refused(data, keep):
    stranger = keep(
        NoteClassifier(NoteClassifierConfig(("vocal",), tuple(SOURCES), tuple(QUALITIES), n_samples=N, channels=4))
    )
    notes, sounds = evaluate_notes.choose(data, "train", 2)
    with pytest.raises(UsageError, match="does not know 'flute'|does not know 'organ'"):
        evaluate_notes.judge(stranger, notes, sounds)


def test_agreement_is_about_what_is_heard_and_not_about_what_is_true(data, classifier):
    _, sounds = evaluate_notes.choose(data, "train", 8)
    assert evaluate_notes.family_agreement(classifier, sounds, sounds) == 1.0
    families = evaluate_notes.hear(classifier, sounds)["family"].argmax(axis=1)
    turned = np.roll(sounds, 1, axis=0)
    assert evaluate_notes.family_agreement(classifier, sounds, turned) == pytest.approx(
        (families == np.roll(families, 1)).mean()
    )


def test_the_breakdown_counts_every_note_once_for_its_register_and_once_for_its_family(data, classifier):
    notes, sounds = evaluate_notes.choose(data, "train", 10)
    turned = np.roll(sounds, 1, axis=0)
    found = evaluate_notes.breakdown(classifier, notes, sounds, turned)
    assert list(found["families"]) == ["flute", "organ"]
    assert list(found["registers"]) == ["MIDI 54-59", "MIDI 60-65", "MIDI 66-71", "MIDI 72-77"]
    right = evaluate_notes.judge(classifier, notes, turned).pitch_accuracy
    agreement = evaluate_notes.family_agreement(classifier, sounds, turned)
    for rows in found.values():
        counts = [row["n_notes"] for row in rows.values()]
        assert sum(counts) == 10
        assert np.average([row["pitch_accuracy"] for row in rows.values()], weights=counts) == pytest.approx(right)
        assert np.average([row["family_agreement"] for row in rows.values()], weights=counts) == pytest.approx(
            agreement
        )
    flutes = [i for i, note in enumerate(notes) if note.instrument_family_str == "flute"]
    alone = evaluate_notes.judge(classifier, [notes[i] for i in flutes], turned[flutes]).pitch_accuracy
    assert found["families"]["flute"]["pitch_accuracy"] == alone
