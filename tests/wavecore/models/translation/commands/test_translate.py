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
from wavecore.errors import UsageError
from wavecore.models.translation.commands.translate import choose_targets, output_names
from wavecore.nn.generate import resolve_backend

KEYS = {
    "input", "domain", "path", "seconds", "samples_per_s", "realtime_factor",
    "octave_shift", "pitch_accuracy", "peak_db",
}  # fmt: skip


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

    monkeypatch.setattr("wavecore.models.translation.translate.translate_file", refuse)


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# what it does


def test_one_file_to_all_domains(translate, tune, tmp_path):
    done = translate(tune, "--to", "all", "-o", tmp_path / "new" / "out")
    assert done.code == 0, done.err
    names = [f"tune__tiny__{domain}.wav" for domain in ("organ", "strings")]
    assert listing(tmp_path / "new" / "out") == sorted([*names, *(f"{name}.json" for name in names)])
    for name in names:
        info = files.probe(tmp_path / "new" / "out" / name)
        assert (info.sample_rate, info.channels, info.frames) == (16_000, 1, 9_600)
        assert f"{tmp_path / 'new' / 'out' / name}: 0.6 s, " in done.out
    assert (
        "device: cpu" in done.err
        and f"backend: {resolve_backend('auto', 'cpu')[0]}" in done.err
        and "1.2 s of sound to generate" in done.err
    )


def test_the_json_document(translate, tune, tmp_path, model):
    done = translate(tune, "--to", "strings", "--json")
    found = json.loads(done.out)
    assert done.code == 0 and set(found) == {"model", "model_sha256", "seed", "outputs"}
    assert (found["model"], found["seed"]) == ("tiny", 1)
    assert found["model_sha256"] == checkpoint.file_sha256(model / "model.safetensors")
    (output,) = found["outputs"]
    assert set(output) == KEYS
    assert output["input"] == str(tune) and output["domain"] == "strings" and output["seconds"] == 0.6
    assert Path(output["path"]) == Path("tune__tiny__strings.wav") and output["samples_per_s"] > 0
    assert output["octave_shift"] == 0 and 0 <= output["pitch_accuracy"] <= 1 and output["peak_db"] <= 0


def test_the_sidecar_records_what_it_takes_to_do_it_again(translate, tune, model, tmp_path):
    assert translate(tune, "--to", "organ", "--rate", "native", "--temperature", "0.5").code == 0
    found = json.loads((tmp_path / "tune__tiny__organ.wav.json").read_text())
    assert found["version"] and found["model"] == "tiny" and found["seed"] == 1 and found["temperature"] == 0.5
    assert found["model_sha256"] == checkpoint.file_sha256(model / "model.safetensors")
    assert found["rates"] == {"input": 16_000, "model": 16_000, "output": 16_000}
    assert found["command"][:2] == ["wavecore", "translate"] and "--temperature" in found["command"]
    assert found["result"]["domain"] == "organ" and found["result"]["warnings"] == []


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(cli, model, tune, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sounds = []
    for name, seed in (("a.wav", 5), ("b.wav", 5), ("c.wav", 6)):
        assert cli("translate", tune, "--to", "organ", "--model", model, "--seed", seed, "-o", name).code == 0
        sounds.append(Path(name).read_bytes())
    assert sounds[0] == sounds[1] != sounds[2]


def test_a_seed_is_drawn_printed_and_recorded(cli, model, tune, tmp_path):
    done = cli("translate", tune, "--to", "organ", "--model", model, "-o", tmp_path / "x.wav", "--json")
    seed = json.loads(done.out)["seed"]
    assert f"--seed {seed} " in done.err
    assert json.loads((tmp_path / "x.wav.json").read_text())["seed"] == seed


def test_rate_and_length_of_the_input_when_asked(translate, tmp_path):
    x = np.sin(2 * np.pi * 660 * np.arange(20_001) / 44_100)
    soundfile.write(tmp_path / "in.flac", np.stack([x, x], axis=1) * 0.3, 44_100)
    assert translate("in.flac", "--to", "organ", "--rate", "native", "-o", "out.flac").code == 0
    info = files.probe(tmp_path / "out.flac")
    assert (info.sample_rate, info.frames, info.format) == (44_100, 20_001, "FLAC")


def test_the_shipped_model_is_the_default(cli, shipped, tune, tmp_path):
    done = cli("translate", tune, "--to", "organ", "-o", tmp_path / "x.wav", "--seed", "1", "-q")
    assert done.code == 0 and done.err == "" and "x.wav" in done.out


def test_a_folder_and_a_file_that_lies_in_it_count_once(translate, tune, tmp_path):
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    shutil.copy(tune, tmp_path / "in" / "a.wav")
    shutil.copy(tune, tmp_path / "in" / "deeper" / "b.b.wav")
    done = translate("in/a.wav", "in", "--to", "organ", "-o", "out", "--json")
    assert [Path(o["path"]).name for o in json.loads(done.out)["outputs"]] == [
        "a__tiny__organ.wav",
        "b.b__tiny__organ.wav",
    ]


# outputs that exist


def test_outputs_that_exist_are_refused_before_any_work(translate, tune, tmp_path, no_work):
    for existing in ("tune__tiny__organ.wav", "tune__tiny__organ.wav.json"):
        (tmp_path / existing).write_text("mine")
        done = translate(tune, "--to", "all")
        assert done.code == 6 and existing in done.err
        assert (tmp_path / existing).read_text() == "mine"
        (tmp_path / existing).unlink()


def test_skip_existing_makes_the_others(translate, tune, tmp_path):
    (tmp_path / "tune__tiny__organ.wav").write_text("mine")
    done = translate(tune, "--to", "all", "--skip-existing", "--json")
    assert done.code == 0 and [o["domain"] for o in json.loads(done.out)["outputs"]] == ["strings"]
    assert "skipped: tune__tiny__organ.wav" in done.err and (tmp_path / "tune__tiny__organ.wav").read_text() == "mine"
    done = translate(tune, "--to", "all", "--skip-existing", "--json")
    assert done.code == 0 and json.loads(done.out)["outputs"] == []


def test_overwrite_replaces(translate, tune, tmp_path):
    for name in ("tune__tiny__organ.wav", "tune__tiny__organ.wav.json"):
        (tmp_path / name).write_text("mine")
    assert translate(tune, "--to", "organ", "--overwrite").code == 0
    assert files.probe(tmp_path / "tune__tiny__organ.wav").frames == 9_600
    assert json.loads((tmp_path / "tune__tiny__organ.wav.json").read_text())["seed"] == 1


def test_an_output_is_never_one_of_the_inputs(translate, tune, tmp_path, no_work):
    before = tune.read_bytes()
    os.link(tune, tmp_path / "link.wav")
    for out in (tune, tmp_path / "sub" / ".." / "tune.wav", tmp_path / "link.wav"):
        done = translate(tune, "--to", "organ", "-o", out, "--overwrite")
        assert done.code == 6 and "never replaced" in done.err
    assert tune.read_bytes() == before


def test_two_inputs_that_would_get_one_name_are_refused(translate, tune, tmp_path, no_work):
    shutil.copy(tune, tmp_path / "tune.flac.wav")
    (tmp_path / "other").mkdir()
    shutil.copy(tune, tmp_path / "other" / "tune.wav")
    done = translate(tune, "other", "--to", "organ", "-o", "out")
    assert done.code == 2 and str(tune) in done.err and "other/tune.wav" in done.err


def test_one_file_cannot_hold_two_outputs(translate, tune, no_work):
    done = translate(tune, "--to", "all", "-o", "x.wav")
    assert done.code == 2 and "folder" in done.err


@pytest.mark.parametrize("out", ["x.m4a", "x.aiff", "x.mp4"])
def test_formats_that_cannot_be_written(translate, tune, tmp_path, no_work, out):
    assert translate(tune, "--to", "organ", "-o", out).code == 2
    assert listing(tmp_path) == ["tune.wav"]


def test_a_folder_that_cannot_be(translate, tune, tmp_path, no_work):
    (tmp_path / "taken").touch()
    done = translate(tune, "--to", "organ", "-o", "taken/below")
    assert done.code == 2 and "taken is a file" in done.err


def test_output_names_keep_dots_and_spaces():
    names = output_names([Path("a/my tune.v2.wav")], ["organ"], Path("out"), "m")
    assert names == {Path("a/my tune.v2.wav"): {"organ": Path("out/my tune.v2__m__organ.wav")}}


def test_a_folder_may_be_named_like_a_file(tmp_path):
    (tmp_path / "x.wav").mkdir()
    names = output_names([Path("a.wav")], ["organ"], tmp_path / "x.wav", "m")
    assert names[Path("a.wav")]["organ"] == tmp_path / "x.wav" / "a__m__organ.wav"


# batches


def test_an_item_that_fails_does_not_stop_the_others(translate, tune, tmp_path):
    (tmp_path / "bad.wav").write_text("hello")
    done = translate("bad.wav", "nowhere.wav", tune, "--to", "organ", "--json")
    assert done.code == 7
    assert "bad.wav is a text file" in done.err and "nowhere.wav does not exist" in done.err
    assert done.err.rstrip().splitlines()[-1] == "wavecore: error: 2 of 3 inputs failed; the reasons stand above"
    assert [o["input"] for o in json.loads(done.out)["outputs"]] == [str(tune)]
    assert (tmp_path / "tune__tiny__organ.wav").is_file()


def test_a_defect_in_one_item_does_not_stop_the_others(translate, tune, tmp_path, monkeypatch):
    from wavecore.models.translation import translate as library

    shutil.copy(tune, tmp_path / "a.wav")
    genuine = library.translate_file

    def faulty(model, source, outputs, **options):
        if source.name == "a.wav":
            raise ZeroDivisionError("division by zero")
        return genuine(model, source, outputs, **options)

    monkeypatch.setattr(library, "translate_file", faulty)
    done = translate("a.wav", tune, "--to", "organ")
    assert (
        done.code == 7
        and "a.wav: this is a defect: ZeroDivisionError" in done.err
        and "tune__tiny__organ.wav" in done.out
    )


def test_interrupted_in_the_middle_leaves_no_partial_file(translate, tune, tmp_path, monkeypatch):
    from wavecore.console.console import Estimate

    def interrupt(self, done):
        assert any(path.name.startswith(".") for path in (tmp_path / "out").iterdir())  # work is under way
        raise KeyboardInterrupt

    monkeypatch.setattr(Estimate, "update", interrupt)
    done = translate(tune, "--to", "organ", "-o", "out")
    assert done.code == 130 and "interrupted" in done.err
    assert listing(tmp_path) == ["tune.wav"]


def test_a_reader_that_goes_away_ends_the_batch(translate, tune, tmp_path, monkeypatch):
    from wavecore.console.console import Console

    def closed(self, text):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(Console, "result", closed)
    (tmp_path / "in").mkdir()
    for name in "ab":
        shutil.copy(tune, tmp_path / "in" / f"{name}.wav")
    assert translate("in", "--to", "organ", "-o", "out").code == 141
    assert listing(tmp_path / "out") == ["a__tiny__organ.wav", "a__tiny__organ.wav.json"]


# the twelve bad inputs


def bad(cli, model, *words, code: int, says: list[str]) -> None:
    done = cli("translate", *words, "--to", "organ", "--model", model, "--seed", "1", "-q")
    assert done.code == code and done.out == "" and "Traceback" not in done.err
    assert done.err.startswith("wavecore: error: ") and done.err.count("\n") == 1
    for text in says:
        assert text in done.err


@pytest.fixture
def refused(cli, model, tmp_path, monkeypatch):
    """Expect a bad input to be refused, with nothing written."""
    monkeypatch.chdir(tmp_path)

    def check(*words, code: int, says: list[str]) -> None:
        before = listing(tmp_path)
        bad(cli, model, *words, "-o", "out", code=code, says=says)
        assert listing(tmp_path) == before

    return check


def test_bad_1_a_missing_path(refused, tune):
    refused("tune.waw", code=3, says=["tune.waw does not exist", "did you mean tune.wav?"])


def test_bad_2_text_named_wav(refused, tmp_path):
    (tmp_path / "text.wav").write_text("dear diary")
    refused("text.wav", code=3, says=["text.wav is a text file", "dear diary"])


def test_bad_3_no_bytes(refused, tmp_path):
    (tmp_path / "empty.wav").touch()
    refused("empty.wav", code=3, says=["empty.wav is empty (0 bytes)"])


def test_bad_4_no_frames_or_too_few(refused, tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16_000)
    refused("none.wav", code=3, says=["none.wav", "0 samples"])
    soundfile.write(tmp_path / "short.wav", np.full(100, 0.1), 16_000)
    refused("short.wav", code=3, says=["short.wav lasts 0.006 s", "0.032 s"])


def test_bad_5_silence(refused, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    refused("silent.wav", code=3, says=["silent.wav is silent"])


def test_bad_6_nan_and_infinity(refused, tmp_path):
    x = np.full(16_000, 0.1, np.float32)
    x[[3_000, 3_001, 9_000]] = np.nan, np.inf, np.nan
    soundfile.write(tmp_path / "nan.wav", x, 16_000, subtype="FLOAT")
    refused("nan.wav", code=3, says=["nan.wav", "3 of", "2 NaN, 1 infinite", "3000"])


def test_bad_7_a_folder_without_audio(refused, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "song.mid").touch()
    refused("folder", code=3, says=["no audio in folder", ".flac", "1 .mid"])


def test_bad_8_the_output_exists_or_is_the_input(cli, model, tune, tmp_path, no_work):
    (tmp_path / "tune__tiny__organ.wav").touch()
    bad(cli, model, tune, "-o", tmp_path, code=6, says=["tune__tiny__organ.wav exists", "overwriting"])
    bad(cli, model, tune, "-o", tune, code=6, says=["is one of the inputs"])


def test_bad_9_an_unknown_domain(cli, shipped, tune, no_work):
    done = cli("translate", tune, "--to", "orgna")
    assert done.code == 2 and "'orgna'; did you mean organ? (domains: strings, organ)" in done.err
    assert cli("translate", tune, "--to", "whistle").code == 2  # heard, but not generated


def test_bad_10_a_device_that_is_missing(cli, shipped, tune, no_work):
    done = cli("translate", tune, "--to", "all", "--device", "cuda:63")
    assert done.code == 5 and "cuda:63" in done.err and "--device cpu" in done.err
    assert cli("translate", tune, "--to", "all", "--device", "tpu").code == 2


def test_bad_10_a_device_that_is_full(cli, shipped, tune, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")

    monkeypatch.setattr("wavecore.models.translation.translate.translate_file", full)
    done = cli("translate", tune, "--to", "all", "-o", tmp_path)
    assert done.code == 5 and "out of memory" in done.err and "--device cpu" in done.err


def test_bad_11_a_model_that_is_corrupt_or_a_pickle(cli, model, tune, tmp_path):
    shutil.copytree(model, tmp_path / "m")
    with open(tmp_path / "m" / "model.safetensors", "r+b") as file:
        file.truncate(1_000)
    done = cli("translate", tune, "--to", "all", "--model", tmp_path / "m")
    assert done.code == 4 and "corrupt" in done.err
    torch.save({}, tmp_path / "m.pt")
    done = cli("translate", tune, "--to", "all", "--model", tmp_path / "m.pt")
    assert done.code == 4 and "pickle" in done.err


def test_bad_12_pitch_outside_the_models_range(translate, tune):
    done = translate(tune, "--to", "organ", "--octave", "2", "--json")
    assert done.code == 0
    assert "wavecore: warning: " in done.err and "% of the pitches lie outside the range of organ" in done.err
    assert "--octave -1" in done.err and json.loads(done.out)["outputs"][0]["octave_shift"] == 2


def test_no_model_at_all_names_what_is_missing(cli, tune, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path / "none")
    done = cli("translate", tune, "--to", "all")
    assert done.code == 4 and "no translation model is shipped" in done.err
    done = cli("translate", tune, "--to", "all", "--model", "universal")
    assert done.code == 4 and "'universal'" in done.err


def test_backends_that_are_not_here(cli, shipped, tune, no_work):
    for backend in ("numbda", "triton"):
        done = cli("translate", tune, "--to", "all", "--backend", backend)
        assert done.code in (2, 5) and backend in done.err and "reference" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["--temperature", "-1"],
        ["--octave", "high"],
        ["--octave", "5"],
        ["--rate", "fast"],
        ["--seed", "x"],
        [],
    ],
)
def test_wrong_flags(cli, tune, words):
    done = cli("translate", tune, *(["--to", "all", *words] if words else []))
    assert done.code == 2 and done.out == "" and "wavecore translate -h" in done.err


@pytest.mark.slow
def test_through_a_process(model, tune, tmp_path):
    command = [
        sys.executable,
        "-P",
        "-m",
        "wavecore.cli.main",
        "translate",
        "--to",
        "organ",
        "--model",
        str(model),
    ]
    done = subprocess.run([*command, "missing.wav"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 3 and done.stdout == "" and "missing.wav does not exist" in done.stderr
    done = subprocess.run([*command, "tune.wav", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"][0]["path"] == "tune__tiny__organ.wav"
    assert files.probe(tmp_path / "tune__tiny__organ.wav").frames == 9_600


def test_choose_targets():
    assert choose_targets(["all"], ["a", "b"]) == ["a", "b"]
    assert choose_targets(["b"], ["a", "b"]) == ["b"]
    with pytest.raises(UsageError, match="domains: a, b"):
        choose_targets(["c"], ["a", "b"])
