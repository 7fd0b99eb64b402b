"""The table: originals and reconstructions before the same classifier."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import note_level
from wavecore.datasets.nsynth.note import FAMILIES
from wavecore.errors import UsageError
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier
from wavecore.models.nsynth import evaluate
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.spectral.config import SpectralConfig
from wavecore.models.spectral.model import SpectralNetwork
from wavecore.nn.config import EncoderConfig, WaveNetConfig

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
def classifier(keep):
    torch.manual_seed(1)
    network = NoteClassifier(NoteClassifierConfig(n_samples=N, channels=8))
    torch.nn.init.normal_(network.heads.weight)
    return keep(network)


def test_notes_are_spread_over_the_split(data):
    notes, sounds = evaluate.choose(data, "train", 4)
    every = data.notes("train")
    assert notes[0] == every[0] and notes[-1] == every[-1] and len(notes) == 4
    assert sounds.shape == (4, N) and sounds.dtype == np.float32
    assert len(evaluate.choose(data, "train", 1000)[0]) == len(every)
    some, _ = evaluate.choose(data, "train", 3, pitches=range(60, 68))
    allowed = [note for note in every if note.pitch in (60, 64, 67)]
    assert len(some) == 3 and some[0] == allowed[0] and some[-1] == allowed[-1]
    with pytest.raises(UsageError, match="61 to 62 in train"):
        evaluate.choose(data, "train", 4, pitches=(61, 62))
    with pytest.raises(UsageError, match="'other'"):
        evaluate.choose(data, "other", 3)


def test_reconstructions_have_length_and_level_of_their_originals(data, keep, monkeypatch):
    torch.manual_seed(0)
    encoder = EncoderConfig(latent_channels=4, hop_length=160, channels=8, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 3, 2, 8, 8, 8, 8, latent_channels=6, hop_length=160)
    model = keep(NSynthNetwork(NSynthConfig(encoder, decoder, 2)))
    (notes, sounds), reports = evaluate.choose(data, "train", 5), []
    shared = {"seed": 3, "on_progress": lambda *done: reports.append(done)}
    decoded = evaluate.reconstruct_wavenet(model, notes, sounds, **shared)
    assert decoded.shape == sounds.shape and reports == [(5, 5)]
    for x, original in zip(decoded, sounds, strict=True):
        assert note_level.loud_db(x) == pytest.approx(note_level.loud_db(original), abs=0.1)
    monkeypatch.setattr(evaluate, "BATCH", 2)
    np.testing.assert_array_equal(evaluate.reconstruct_wavenet(model, notes, sounds, **shared), decoded)


@pytest.mark.parametrize("pitch_channels", [0, 2])
def test_the_baseline_s_too(data, keep, pitch_channels):
    model = keep(
        SpectralNetwork(SpectralConfig("phase", base_channels=2, latent_channels=4, pitch_channels=pitch_channels))
    )
    notes, sounds = evaluate.choose(data, "train", 2)
    decoded = evaluate.reconstruct_spectral(model, notes, sounds, seed=0)
    assert decoded.shape == sounds.shape and np.isfinite(decoded).all() and np.abs(decoded).max() < 1
    np.testing.assert_array_equal(evaluate.reconstruct_spectral(model, notes, sounds, seed=0), decoded)


def test_scores_are_those_of_the_network(data, classifier, keep, monkeypatch):
    notes, sounds = evaluate.choose(data, "train", 6)
    with torch.inference_mode():
        direct = classifier.network(torch.from_numpy(sounds))
    logits = evaluate.classify(classifier, sounds)
    scores = evaluate.score(classifier, notes, logits)
    pitch = direct.pitch.argmax(dim=1).numpy() == [note.pitch for note in notes]
    families = np.array(FAMILIES)[direct.family.argmax(dim=1)] == [note.instrument_family_str for note in notes]
    assert (scores.n_notes, scores.pitch_accuracy, scores.family_accuracy) == (6, pitch.mean(), families.mean())
    monkeypatch.setattr(evaluate, "BATCH", 4)
    np.testing.assert_allclose(evaluate.classify(classifier, sounds)["pitch"], logits["pitch"], rtol=1e-4, atol=1e-4)
    config = NoteClassifierConfig(families=("vocal",), n_samples=N, channels=4)
    with pytest.raises(UsageError, match="'flute'"):
        evaluate.score(keep(NoteClassifier(config)), notes, logits)


def test_the_breakdown_counts_every_note_once_for_its_register_and_once_for_its_family(data, classifier):
    notes, sounds = evaluate.choose(data, "train", 10)
    originals = evaluate.classify(classifier, sounds)
    assert evaluate.family_agreement(originals, originals) == 1.0
    rolled = {name: np.roll(values, 1, axis=0) for name, values in originals.items()}
    families = originals["family"].argmax(axis=1)
    agreement = evaluate.family_agreement(originals, rolled)
    assert agreement == pytest.approx((families == np.roll(families, 1)).mean())
    tables = evaluate.breakdown(notes, originals, rolled)
    assert list(tables["families"]) == ["flute", "organ"]
    assert list(tables["registers"]) == ["MIDI 54-59", "MIDI 60-65", "MIDI 66-71", "MIDI 72-77"]
    right = evaluate.score(classifier, notes, rolled).pitch_accuracy
    for rows in tables.values():
        counts = [row["n_notes"] for row in rows.values()]
        assert sum(counts) == 10
        for name, mean in (("pitch_accuracy", right), ("family_agreement", agreement)):
            assert np.average([row[name] for row in rows.values()], weights=counts) == pytest.approx(mean)
    flutes = [i for i, note in enumerate(notes) if note.instrument_family_str == "flute"]
    alone = evaluate.score(classifier, [notes[i] for i in flutes], {name: x[flutes] for name, x in rolled.items()})
    assert tables["families"]["flute"]["pitch_accuracy"] == alone.pitch_accuracy
