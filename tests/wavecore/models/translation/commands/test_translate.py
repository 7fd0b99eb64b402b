"""``wavecore translate``: what it writes and prints, outputs that exist, batches, bad inputs and requests."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.console.common import version
from wavecore.console.console import Console, Estimate
from wavecore.errors import UsageError
from wavecore.models.translation import sample
from wavecore.models.translation.api import TranslationModel
from wavecore.models.translation.commands.translate import choose_targets, output_names
from wavecore.nn.generate import resolve_backend

KEYS = {
    "input",
    "domain",
    "path",
    "seconds",
    "samples_per_s",
    "realtime_factor",
    "octave_shift",
    "pitch_accuracy",
    "peak_db",
}


@pytest.fixture
def translate(cli, model, tmp_path, monkeypatch):
    """Translate with the tiny model, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: cli("translate", *words, "--model", model, "--seed", "1")


@pytest.fixture
def no_work(monkeypatch):
    """Fail where sound is generated."""

    def refuse(*args, **kwargs):
        pytest.fail("work was started")

    monkeypatch.setattr(sample, "translate", refuse)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_one_file_to_all_domains(translate, tune, tmp_path):
    done = translate(tune, "--to", "all", "-o", tmp_path / "new" / "out")
    assert done.code == 0, done.err
    names = [f"tune__tiny__{domain}.wav" for domain in ("organ", "strings")]
    assert listing(tmp_path / "new" / "out") == sorted([*names, *(f"{name}.json" for name in names)])
    for name in names:
        info = files.probe(tmp_path / "new" / "out" / name)
        assert (info.sample_rate, info.channels, info.frames) == (16_000, 1, 9_600)
        assert f"{tmp_path / 'new' / 'out' / name}: 0.6 s, " in done.out
    assert "cpu" in done.err and resolve_backend("auto", "cpu")[0] in done.err and "1.2 s" in done.err


@pytest.mark.slow
def test_the_json_document(translate, tune, model):
    done = translate(tune, "--to", "strings", "--json")
    document = json.loads(done.out)
    assert done.code == 0 and set(document) == {"model", "model_sha256", "seed", "outputs"}
    assert (document["model"], document["seed"]) == ("tiny", 1)
    assert document["model_sha256"] == checkpoint.file_sha256(model / "model.safetensors")
    (output,) = document["outputs"]
    assert set(output) == KEYS
    assert output["input"] == str(tune) and output["domain"] == "strings" and output["seconds"] == 0.6
    assert Path(output["path"]) == Path("tune__tiny__strings.wav") and output["samples_per_s"] > 0
    assert output["octave_shift"] == 0 and 0 <= output["pitch_accuracy"] <= 1 and output["peak_db"] <= 0


@pytest.mark.slow
def test_the_sidecar_records_what_it_takes_to_do_it_again(translate, model, tmp_path):
    x = 0.3 * np.sin(2 * np.pi * 660 * np.arange(10_001) / 44_100)
    soundfile.write(tmp_path / "in.flac", np.stack([x, x], axis=1), 44_100)
    assert translate("in.flac", "--to", "organ", "--rate", "native", "--temperature", "0.5", "-o", "o.flac").code == 0
    info = files.probe(tmp_path / "o.flac")
    assert (info.sample_rate, info.frames, info.format) == (44_100, 10_001, "FLAC")
    record = json.loads((tmp_path / "o.flac.json").read_text())
    assert record["version"] == version() and (record["model"], record["seed"]) == ("tiny", 1)
    assert record["temperature"] == 0.5 and record["device"] == "cpu"
    assert record["backend"] == resolve_backend("auto", "cpu")[0]
    assert record["model_sha256"] == checkpoint.file_sha256(model / "model.safetensors")
    assert record["rates"] == {"input": 44_100, "model": 16_000, "output": 44_100}
    assert record["command"][:2] == ["wavecore", "translate"] and "--temperature" in record["command"]
    assert record["result"]["domain"] == "organ" and record["result"]["warnings"] == []


@pytest.mark.slow
def test_a_seed_is_drawn_printed_recorded_and_repeats_the_bytes(cli, model, tune, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("translate", tune, "--to", "organ", "--model", model, "-o", "x.wav", "--json")
    seed = json.loads(done.out)["seed"]
    assert str(seed) in done.err and json.loads((tmp_path / "x.wav.json").read_text())["seed"] == seed
    for name, again in (("a.wav", seed), ("b.wav", seed + 1)):
        assert cli("translate", tune, "--to", "organ", "--model", model, "--seed", again, "-o", name).code == 0
    x, a, b = ((tmp_path / name).read_bytes() for name in ("x.wav", "a.wav", "b.wav"))
    assert x == a != b


@pytest.mark.slow
def test_the_shipped_model_is_the_default(cli, shipped, tune, tmp_path):
    done = cli("translate", tune, "--to", "organ", "-o", tmp_path / "x.wav", "--seed", "1", "-q")
    assert done.code == 0 and done.err == "" and "x.wav" in done.out


@pytest.mark.slow
def test_a_folder_and_a_file_in_it_count_once(translate, tune, tmp_path):
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    shutil.copy(tune, tmp_path / "in" / "a.wav")
    shutil.copy(tune, tmp_path / "in" / "deeper" / "b.b.wav")
    outputs = json.loads(translate("in/a.wav", "in", "--to", "organ", "-o", "out", "--json").out)["outputs"]
    assert [Path(output["path"]).name for output in outputs] == ["a__tiny__organ.wav", "b.b__tiny__organ.wav"]


# outputs that exist


def test_outputs_that_exist_are_refused_before_any_work(translate, tune, tmp_path, no_work):
    for existing in ("tune__tiny__organ.wav", "tune__tiny__organ.wav.json"):
        (tmp_path / existing).write_text("mine")
        done = translate(tune, "--to", "all")
        assert done.code == 6 and existing in done.err
        assert (tmp_path / existing).read_text() == "mine"
        (tmp_path / existing).unlink()


@pytest.mark.slow
def test_skip_existing_makes_the_others_and_overwrite_replaces(translate, tune, tmp_path):
    existing = tmp_path / "tune__tiny__organ.wav"
    existing.write_text("mine")
    done = translate(tune, "--to", "all", "--skip-existing", "--json")
    assert done.code == 0 and [output["domain"] for output in json.loads(done.out)["outputs"]] == ["strings"]
    assert existing.name in done.err and existing.read_text() == "mine"
    done = translate(tune, "--to", "all", "--skip-existing", "--json")
    assert done.code == 0 and json.loads(done.out)["outputs"] == []
    assert translate(tune, "--to", "organ", "--overwrite").code == 0
    assert files.probe(existing).frames == 9_600


@pytest.mark.slow
def test_an_output_is_never_one_of_the_inputs(translate, tune, tmp_path, no_work):
    before = tune.read_bytes()
    os.link(tune, tmp_path / "link.wav")
    for out in (tune, tmp_path / "sub" / ".." / "tune.wav", tmp_path / "link.wav"):
        assert translate(tune, "--to", "organ", "-o", out, "--overwrite").code == 6
    assert tune.read_bytes() == before


def test_two_inputs_that_would_get_one_name_are_refused(translate, tune, tmp_path, no_work):
    (tmp_path / "other").mkdir()
    shutil.copy(tune, tmp_path / "other" / "tune.wav")
    done = translate(tune, "other", "--to", "organ", "-o", "out")
    assert done.code == 2 and str(tune) in done.err and "other/tune.wav" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "out", "fact"),
    [
        ("all", "x.wav", "folder"),
        ("organ", "x.m4a", ".m4a"),
        ("organ", "x.aiff", ".aiff"),
        ("organ", "x.mp4", ".mp4"),
        ("organ", "taken/below", "taken is a file"),
    ],
)
def test_outputs_that_cannot_be_written(translate, tune, tmp_path, no_work, to, out, fact):
    (tmp_path / "taken").touch()
    done = translate(tune, "--to", to, "-o", out)
    assert done.code == 2 and fact in done.err and listing(tmp_path) == ["taken", "tune.wav"]


def test_output_names_keep_dots_and_spaces_and_folders_may_look_like_files(tmp_path):
    names = output_names([Path("a/my tune.v2.wav")], ["organ"], Path("out"), "m")
    assert names == {Path("a/my tune.v2.wav"): {"organ": Path("out/my tune.v2__m__organ.wav")}}
    (tmp_path / "x.wav").mkdir()
    names = output_names([Path("a.wav")], ["organ"], tmp_path / "x.wav", "m")
    assert names[Path("a.wav")]["organ"] == tmp_path / "x.wav" / "a__m__organ.wav"


# batches


@pytest.mark.slow
def test_an_item_that_fails_does_not_stop_the_others(translate, tune, tmp_path, monkeypatch):
    (tmp_path / "bad.wav").write_text("hello")
    shutil.copy(tune, tmp_path / "a.wav")
    genuine = TranslationModel.translate_file

    def faulty(self, source, outputs, **options):
        if source.name == "a.wav":
            raise ZeroDivisionError("division by zero")
        return genuine(self, source, outputs, **options)

    monkeypatch.setattr(TranslationModel, "translate_file", faulty)
    done = translate("bad.wav", "nowhere.wav", "a.wav", tune, "--to", "organ", "--json")
    assert done.code == 7 and "3 of 4" in done.err.rstrip().splitlines()[-1]
    assert all(fact in done.err for fact in ("bad.wav", "nowhere.wav", "a.wav", "ZeroDivisionError"))
    assert [output["input"] for output in json.loads(done.out)["outputs"]] == [str(tune)]
    assert (tmp_path / "tune__tiny__organ.wav").is_file()


@pytest.mark.slow
def test_an_interrupt_leaves_no_partial_file(translate, tune, tmp_path, monkeypatch):
    def interrupt(self, done):
        assert any(path.name.startswith(".") for path in (tmp_path / "out").iterdir())  # work is under way
        raise KeyboardInterrupt

    monkeypatch.setattr(Estimate, "update", interrupt)
    assert translate(tune, "--to", "organ", "-o", "out").code == 130
    assert listing(tmp_path) == ["tune.wav"]


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_batch(translate, tune, tmp_path, monkeypatch):
    def closed(self, text):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(Console, "result", closed)
    (tmp_path / "in").mkdir()
    for name in "ab":
        shutil.copy(tune, tmp_path / "in" / f"{name}.wav")
    assert translate("in", "--to", "organ", "-o", "out").code == 141
    assert listing(tmp_path / "out") == ["a__tiny__organ.wav", "a__tiny__organ.wav.json"]


# bad inputs and requests


def write_bad_inputs(folder: Path) -> None:
    x = np.full(16_000, 0.1, np.float32)
    (folder / "text.wav").write_text("dear diary")
    (folder / "empty.wav").touch()
    soundfile.write(folder / "none.wav", np.zeros(0), 16_000)
    soundfile.write(folder / "short.wav", x[:100], 16_000)
    soundfile.write(folder / "silent.wav", 0 * x, 16_000)
    x[[3_000, 3_001, 9_000]] = np.nan, np.inf, np.nan
    soundfile.write(folder / "nan.wav", x, 16_000, subtype="FLOAT")
    (folder / "folder").mkdir()
    (folder / "folder" / "song.mid").touch()


@pytest.mark.parametrize(
    ("source", "facts"),
    [
        ("tune.waw", ["tune.waw", "tune.wav"]),
        ("text.wav", ["text.wav", "dear diary"]),
        ("empty.wav", ["empty.wav", "0 bytes"]),
        ("none.wav", ["none.wav", "0 samples"]),
        ("short.wav", ["short.wav", "0.006 s", "0.032 s"]),
        ("silent.wav", ["silent.wav", "-70 dB"]),
        ("nan.wav", ["nan.wav", "3 of", "2 NaN", "1 infinite", "3000"]),
        ("folder", ["folder", ".flac", "1 .mid"]),
    ],
)
def test_bad_inputs_are_named_and_nothing_is_written(translate, tune, tmp_path, source, facts):
    write_bad_inputs(tmp_path)
    before = listing(tmp_path)
    done = translate(source, "--to", "organ", "-o", "out", "-q")
    assert done.code == 3 and done.out == "" and done.err.startswith("wavecore: error: ")
    assert done.err.count("\n") == 1 and all(fact in done.err for fact in facts), done.err
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "codes", "fact"),
    [
        (["--to", "orgna"], (2,), "organ"),
        (["--to", "whistle"], (2,), "strings, organ"),  # encoded, but not generated
        (["--to", "all", "--device", "cuda:63"], (5,), "cuda:63"),
        (["--to", "all", "--device", "tpu"], (2,), "tpu"),
        (["--to", "all", "--backend", "numbda"], (2,), "numbda"),
        (["--to", "all", "--backend", "triton", "--device", "cpu"], (5,), "reference"),
        (["--to", "all", "--temperature", "-1"], (2,), "wavecore translate -h"),
        (["--to", "all", "--octave", "high"], (2,), "wavecore translate -h"),
        (["--to", "all", "--octave", "5"], (2,), "wavecore translate -h"),
        (["--to", "all", "--rate", "fast"], (2,), "wavecore translate -h"),
        (["--to", "all", "--seed", "x"], (2,), "wavecore translate -h"),
        ([], (2,), "wavecore translate -h"),
    ],
)
def test_requests_that_make_no_sense(cli, shipped, tune, no_work, words, codes, fact):
    done = cli("translate", tune, *words)
    assert done.code in codes and fact in done.err and done.out == ""


def test_a_device_that_is_full(cli, shipped, tune, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")

    monkeypatch.setattr(sample, "translate", full)
    done = cli("translate", tune, "--to", "all", "-o", tmp_path)
    assert done.code == 5 and "--device cpu" in done.err


def test_models_that_are_corrupt_pickled_or_missing(cli, model, tune, tmp_path, monkeypatch):
    shutil.copytree(model, tmp_path / "m")
    with open(tmp_path / "m" / "model.safetensors", "r+b") as file:
        file.truncate(1_000)
    torch.save({}, tmp_path / "m.pt")
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path / "none")
    for name, fact in ((tmp_path / "m", "corrupt"), (tmp_path / "m.pt", "pickle"), ("universal", "'universal'")):
        done = cli("translate", tune, "--to", "all", "--model", name)
        assert done.code == 4 and fact in done.err
    done = cli("translate", tune, "--to", "all")
    assert done.code == 4 and "translation" in done.err


@pytest.mark.slow
def test_pitches_outside_the_target_s_range_are_a_warning(translate, tune):
    done = translate(tune, "--to", "organ", "--octave", "2", "--json")
    assert done.code == 0 and json.loads(done.out)["outputs"][0]["octave_shift"] == 2
    assert "warning" in done.err and "organ" in done.err and "octave -1" in done.err


@pytest.mark.slow
def test_through_a_process(model, tune, tmp_path):
    command = [sys.executable, "-P", "-m", "wavecore.cli.main", "translate", "--to", "organ", "--model", str(model)]
    done = subprocess.run([*command, "tune.wav", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"][0]["path"] == "tune__tiny__organ.wav"
    assert files.probe(tmp_path / "tune__tiny__organ.wav").frames == 9_600


def test_choose_targets():
    assert choose_targets(["all"], ["a", "b"]) == ["a", "b"]
    assert choose_targets(["b"], ["a", "b"]) == ["b"]
    with pytest.raises(UsageError, match="a, b"):
        choose_targets(["c"], ["a", "b"])
