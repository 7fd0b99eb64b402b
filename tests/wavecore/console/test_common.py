import json
import os
from types import SimpleNamespace

import pytest

from wavecore import checkpoint, registry
from wavecore.console import common
from wavecore.console.console import Console
from wavecore.errors import DeviceError, ModelError, UsageError


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"no domain 'orgen'; did you mean organ\? \(domains: strings, organ\)"):
        common.chosen(["strings", "orgen"], ["strings", "organ"], what="domain")


def test_a_seed_that_was_given_is_not_announced(capsys):
    assert common.settle_seed(5, Console()) == 5
    assert capsys.readouterr().err == ""


def test_a_seed_is_drawn_and_printed(capsys):
    drawn = common.settle_seed(None, Console())
    assert 0 <= drawn < common.SEED_LIMIT
    assert f"--seed {drawn} " in capsys.readouterr().err


def test_the_temperature_is_the_user_s_or_the_model_s(capsys):
    plain, cool = (SimpleNamespace(name="cool", temperature=temperature) for temperature in (1.0, 0.5))
    assert common.settle_temperature(0.8, cool, Console()) == 0.8
    assert common.settle_temperature(None, plain, Console()) == 1.0
    assert capsys.readouterr().err == ""
    assert common.settle_temperature(None, cool, Console()) == 0.5
    assert "temperature: 0.5" in capsys.readouterr().err


def test_the_device_is_printed_with_its_reason(capsys):
    assert common.settle_device("cpu", Console()) == "cpu"
    assert capsys.readouterr().err == "device: cpu (as asked)\n"


def test_a_device_that_is_missing_is_an_error():
    with pytest.raises(DeviceError, match="cuda:99"):
        common.settle_device("cuda:99", Console())


def test_the_backend_is_printed_with_its_reason(capsys):
    assert common.settle_backend("reference", "cpu", Console()) == "reference"
    assert capsys.readouterr().err == "backend: reference (as asked)\n"


def test_where_no_model_of_a_kind_is_shipped_it_is_said_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path)
    for kind in registry.KINDS:
        with pytest.raises(ModelError, match=f"no {kind} model is shipped .*; (train one|install)"):
            common.shipped(kind)


def test_the_default_model_is_the_first_shipped_one_that_translates(shipped, tmp_path, monkeypatch):
    from wavecore import checkpoint

    assert common.default_model() == "tiny"
    for name, kind in (("a-other", "nsynth"), ("b-first", "translation"), ("c-second", "translation")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").touch()
        (tmp_path / name / "config.json").write_text(json.dumps({"schema_version": 1, "kind": kind}))
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path)
    assert common.default_model() == "b-first"


def test_no_default_model_names_what_is_missing(tmp_path, monkeypatch):
    from wavecore import checkpoint

    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path)
    with pytest.raises(ModelError, match="--model FOLDER") as caught:
        common.default_model()
    assert str(tmp_path) in str(caught.value)


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    common.require_folder(tmp_path / "new" / "deeper")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="is a file"):
            common.require_folder(path)
    assert sorted(os.listdir(tmp_path)) == ["file"]
