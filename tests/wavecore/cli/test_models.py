import json
import shutil

import pytest

from wavecore import checkpoint
from wavecore.cli.models import check_model
from wavecore.errors import ModelError


@pytest.fixture
def broken(model, tmp_path):
    """A copy of the model with one byte of its weights changed."""
    folder = tmp_path / "broken"
    shutil.copytree(model, folder)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_list_shows_the_shipped_models(cli, shipped):
    done = cli("models", "list")
    assert done.code == 0 and done.err == ""
    assert done.out.startswith("tiny ") and "strings, organ" in done.out


def test_list_as_json(cli, shipped, model):
    (row,) = json.loads(cli("models", "list", "--json").out)["models"]
    assert row["name"] == "tiny" and row["kind"] == "translation" and row["error"] is None
    assert row["sha256"] == checkpoint.file_sha256(model / "model.safetensors")
    assert row["domains"] == ["whistle", "strings", "organ"] and row["targets"] == ["strings", "organ"]


def test_composers_have_no_sample_rate(cli, tmp_path):
    """Their cards tell what they write."""
    import torch

    from wavecore.models.coconet.config import PRESETS
    from wavecore.models.coconet.model import Coconet
    from wavecore.models.musegan.config import PRESETS as BANDS
    from wavecore.models.musegan.model import MuseGAN

    with torch.random.fork_rng():
        checkpoint.save(Coconet(PRESETS["tiny"]), tmp_path / "bach", training={})
        checkpoint.save(MuseGAN(BANDS["tiny"]), tmp_path / "band", training={})
    rows = json.loads(cli("models", "list", tmp_path, "--json").out)["models"]
    found = {
        row["name"]: (row["kind"], row["sample_rate"], row["plays"], row["error"])
        for row in rows
        if row["name"] in ("bach", "band")
    }
    assert found == {
        "bach": ("coconet", None, [], None),
        "band": ("musegan", None, ["soprano", "alto", "tenor", "bass"], None),
    }
    listed = cli("models", "list", tmp_path).out
    assert "unreadable" not in listed and "soprano, alto, tenor, bass" in listed
    told = cli("models", "info", tmp_path / "band").out
    assert "variant:           hybrid" in told and "soprano, alto" in told and "rate:" not in told
    assert "steps per quarter: 4" in cli("models", "info", tmp_path / "bach").out


def test_list_finds_trained_models_below_a_folder(cli, model, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path / "none")
    done = cli("models", "list", model.parent)
    assert done.code == 0 and "tiny" in done.out and str(model) in done.out


def test_list_without_any_model_says_so(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path)
    done = cli("models", "list")
    assert done.code == 0 and "no model is shipped" in done.out
    assert json.loads(cli("models", "list", "--json").out) == {"models": []}


def test_list_of_a_folder_without_models_is_an_error(cli, shipped, tmp_path):
    done = cli("models", "list", tmp_path)
    assert done.code == 3 and str(tmp_path) in done.err


def test_list_shows_a_model_that_cannot_be_read_beside_the_others(cli, shipped, tmp_path):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "model.safetensors").touch()
    (tmp_path / "odd" / "config.json").write_text("{")
    done = cli("models", "list", tmp_path)
    assert done.code == 0 and "tiny" in done.out and "unreadable" in done.out


def test_info_prints_the_card(cli, shipped, model):
    done = cli("models", "info", "tiny")
    assert done.code == 0
    for text in ("whistle, strings, organ", "16000 Hz", "mu-law-256", "hop 512", "level_db"):
        assert text in done.out


def test_info_prints_the_cards_own_text_and_the_evaluation(cli, model, tmp_path):
    folder = tmp_path / "carded"
    shutil.copytree(model, folder)
    (folder / "card.md").write_text("# A fine model\n")
    (folder / "evaluation.json").write_text('{"latent_probe_chance": 0.25}')
    assert "# A fine model" in cli("models", "info", folder).out
    found = json.loads(cli("models", "info", folder, "--json").out)
    assert found["config"]["kind"] == "translation" and found["evaluation"] == {"latent_probe_chance": 0.25}


def test_info_of_a_model_that_generates_nothing(cli, ear):
    done = cli("models", "info", ear)
    assert done.code == 0, done.err
    assert "note-classifier" in done.out and "16000 Hz" in done.out and "receptive field" not in done.out


def test_info_of_an_unknown_model_lists_the_shipped_ones(cli, shipped):
    done = cli("models", "info", "nope")
    assert done.code == 4 and "'nope'" in done.err and "tiny" in done.err


def test_verify_checks_all_shipped_models(cli, shipped):
    done = cli("models", "verify")
    assert done.code == 0 and done.out.startswith("tiny: ok, ")


def test_verify_finds_a_changed_byte_and_checks_the_others(cli, shipped, broken):
    done = cli("models", "verify", "tiny", broken)
    assert done.code == 4 and "tiny: ok" in done.out and f"{broken}: BROKEN" in done.out and "sha256" in done.out
    assert "1 of 2 models" in done.err


def test_verify_as_json(cli, shipped, broken):
    done = cli("models", "verify", broken, "--json")
    found = json.loads(done.out)
    assert done.code == 4 and found["ok"] is False and found["models"][0]["ok"] is False


def test_verify_without_any_model(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path)
    assert cli("models", "verify").code == 4


@pytest.mark.slow
def test_check_model_counts_the_weights(model):
    n = sum(tensor.numel() for tensor in checkpoint.load(model).network.state_dict().values())
    assert check_model(model).startswith(f"{n / 1e6:.2f} million weights")


@pytest.mark.slow
def test_check_model_finds_weights_that_are_not_finite(network, tmp_path):
    tensors = {name: tensor.clone() for name, tensor in network().state_dict().items()}
    checkpoint.save(network(), tmp_path / "m")
    tensors["decoders.organ.output.bias"][3] = float("nan")
    checkpoint.write_tensors(tensors, tmp_path / "m" / "model.safetensors")
    card = json.loads((tmp_path / "m" / "config.json").read_text())
    card["sha256"] = checkpoint.file_sha256(tmp_path / "m" / "model.safetensors")
    checkpoint.write_json(card, tmp_path / "m" / "config.json")
    with pytest.raises(ModelError, match="decoders.organ.output.bias"):
        check_model(tmp_path / "m")
