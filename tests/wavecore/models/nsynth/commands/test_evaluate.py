import json

import pytest
import torch

from wavecore import checkpoint
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier
from wavecore.models.spectral.config import SpectralConfig
from wavecore.models.spectral.model import SpectralNetwork

N = 3_200


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=N).path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a classifier and of a baseline."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    checkpoint.save(NoteClassifier(NoteClassifierConfig(n_samples=N, channels=4)), folder / "ear")
    checkpoint.save(SpectralNetwork(SpectralConfig("phase", base_channels=1, latent_channels=2)), folder / "spectral")
    return folder / "ear", folder / "spectral"


@pytest.mark.slow
def test_the_table_and_its_pictures(cli, nsynth_model, data, models, tmp_path):
    words = (nsynth_model, "--data", data, "--classifier", models[0], "--split", "train", "--notes", "4")
    done = cli("evaluate", "nsynth", *words, "--spectral", models[1], "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    for row in ("original", "wavenet", "spectral"):
        assert document[row]["n_notes"] == 4 and 0 <= document[row]["pitch_accuracy"] <= 1
        assert {"quality_f1", "quality_accuracy", "family_accuracy", "source_accuracy"} <= set(document[row])
    assert document["original"]["family_agreement"] == 1 and document["split"] == "train"
    assert document["families"] == ["flute", "organ"]
    assert sum(row["n_notes"] for row in document["where"]["registers"].values()) == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["flute.png", "organ.png"]
    assert cli("evaluate", "nsynth", *words, "-o", tmp_path / "out").code == 6
    plain = cli("evaluate", "nsynth", *words)
    assert plain.code == 0 and "wavenet" in plain.out and "spectral" not in plain.out and "MIDI 54-59" in plain.out


@pytest.mark.slow
def test_some_pitches_alone(cli, nsynth_model, data, models):
    words = (nsynth_model, "--data", data, "--classifier", models[0], "--split", "train", "--json")
    done = cli("evaluate", "nsynth", *words, "--pitches", "60:64")
    document = json.loads(done.out)
    assert done.code == 0 and document["original"]["n_notes"] == 4 and document["pitches"] == [60, 64]
    assert list(document["where"]["registers"]) == ["MIDI 60-65"]
    assert cli("evaluate", "nsynth", *words, "--pitches", "70:71").code == 2


def test_what_is_missing_is_named(cli, nsynth_model, data, models, monkeypatch, tmp_path):
    words = ("evaluate", "nsynth", nsynth_model, "--data")
    assert cli(*words, tmp_path / "none", "--classifier", models[0]).code == 3
    assert cli(*words[:-1]).code == 2
    assert cli("evaluate", "nsynth", models[1], "--data", data, "--classifier", models[0]).code == 4
    monkeypatch.setattr("wavecore.checkpoint.PRETRAINED", tmp_path)
    done = cli(*words, data)
    assert done.code == 4 and "note-classifier" in done.err
