import json

import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.nsynth.note import FAMILIES, QUALITIES, SOURCES
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier
from wavecore.models.spectral.config import SpectralConfig
from wavecore.models.spectral.model import SpectralNetwork

N = 3_200


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=N).path


@pytest.fixture(scope="module")
def judges(tmp_path_factory):
    """Folders of a classifier and of a baseline."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("judges")
    ear = NoteClassifierConfig(tuple(FAMILIES), tuple(SOURCES), tuple(QUALITIES), n_samples=N, channels=4)
    checkpoint.save(NoteClassifier(ear), folder / "ear")
    checkpoint.save(SpectralNetwork(SpectralConfig(base_channels=1, latent_channels=2)), folder / "spectral")
    return folder / "ear", folder / "spectral"


def test_the_table_and_its_pictures(cli, nsynth_model, data, judges, tmp_path):
    words = (nsynth_model, "--data", data, "--classifier", judges[0], "--split", "train", "--notes", "4")
    done = cli("evaluate", "nsynth", *words, "--spectral", judges[1], "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    for row in ("original", "wavenet", "spectral"):
        assert found[row]["n_notes"] == 4 and 0 <= found[row]["pitch_accuracy"] <= 1
        assert {"quality_f1", "family_accuracy"} <= set(found[row]) and 0 <= found[row]["family_agreement"] <= 1
    assert (
        found["original"]["family_agreement"] == 1
        and found["families"] == ["flute", "organ"]
        and found["split"] == "train"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["flute.png", "organ.png"]
    assert cli("evaluate", "nsynth", *words, "-o", tmp_path / "out").code == 6
    plain = cli("evaluate", "nsynth", *words)
    assert plain.code == 0 and "wavenet" in plain.out and "spectral" not in plain.out
    assert sum(row["n_notes"] for row in found["where"]["registers"].values()) == 4
    assert "MIDI 54-59" in plain.out and plain.out.count("flute") == 1


def test_some_pitches_alone(cli, nsynth_model, data, judges):
    words = (nsynth_model, "--data", data, "--classifier", judges[0], "--split", "train", "--json")
    done = cli("evaluate", "nsynth", *words, "--pitches", "60:64")
    found = json.loads(done.out)
    assert done.code == 0 and found["original"]["n_notes"] == 4 and found["pitches"] == [60, 64]
    assert list(found["where"]["registers"]) == ["MIDI 60-65"]
    assert cli("evaluate", "nsynth", *words, "--pitches", "70:71").code == 2
    assert cli("evaluate", "nsynth", *words, "--pitches", "64:60").code == 2


def test_what_is_missing_is_named(cli, nsynth_model, data, judges, monkeypatch, tmp_path):
    monkeypatch.setattr("wavecore.checkpoint.PRETRAINED", tmp_path)
    done = cli("evaluate", "nsynth", nsynth_model, "--data", data)
    assert done.code == 4 and "no note-classifier model is shipped" in done.err
    assert cli("evaluate", "nsynth", nsynth_model, "--data", tmp_path / "none", "--classifier", judges[0]).code == 3
    assert cli("evaluate", "nsynth", nsynth_model).code == 2
    assert cli("evaluate", "nsynth", judges[1], "--data", data, "--classifier", judges[0]).code == 4
