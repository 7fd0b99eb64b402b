import builtins
import json
import shutil

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.cli import doctor
from wavecore.cli.doctor import Part, backend_error, examine
from wavecore.errors import DeviceError


@pytest.fixture
def healthy(monkeypatch):
    """Leave out the checks that take seconds; they have tests of their own."""
    monkeypatch.setattr(doctor, "_librosa", lambda: "fine")
    monkeypatch.setattr(doctor, "_numba", lambda: "fine")
    monkeypatch.setattr(doctor, "_agreement", lambda backend, device: "agrees")


@pytest.fixture
def without(monkeypatch):
    """Let imports of some modules fail."""
    genuine = builtins.__import__

    def hide(*names: str, error: type[Exception] = ImportError):
        def importing(name, *args, **kwargs):
            if name.split(".")[0] in names:
                raise error(f"cannot load {name}: libc10_cuda.so is missing")
            return genuine(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", importing)

    return hide


@pytest.mark.slow
def test_all_is_well(cli, shipped, healthy):
    done = cli("doctor", "--json")
    found = json.loads(done.out)
    assert done.code == 0 and found["ok"] is True
    checks = {check["name"]: check for check in found["checks"]}
    assert all(set(check) == {"name", "ok", "detail", "fix"} for check in found["checks"])
    for name in (
        "python",
        "torch",
        "torchaudio",
        "soundfile",
        "nnAudio",
        "backend numba",
        "model tiny",
        "cuda",
    ):
        assert checks[name]["ok"], checks[name]
    assert "FLAC" in checks["soundfile"]["detail"] and "sha256" in checks["model tiny"]["detail"]
    assert {"fluidsynth", "soundfont", "music21"} <= set(checks)


def test_a_line_per_check(cli, shipped, healthy):
    done = cli("doctor")
    assert done.code == 0 and done.err == ""
    assert any(line.startswith("ok   torch ") for line in done.out.splitlines())


def test_torchaudio_that_does_not_load_names_the_fix(cli, shipped, healthy, without):
    without("torchaudio", error=OSError)
    done = cli("doctor", "--json")
    found = json.loads(done.out)
    assert done.code == 1 and found["ok"] is False and "torchaudio" in done.err
    check = next(check for check in found["checks"] if check["name"] == "torchaudio")
    assert (
        check["fix"] == "pip install 'torch>=2.11,<2.15' 'torchaudio==2.11.*'" and "libc10_cuda.so" in check["detail"]
    )
    assert next(check for check in found["checks"] if check["name"] == "model tiny")["ok"]


@pytest.mark.slow
def test_optional_parts_that_are_missing_are_no_failure(cli, shipped, healthy, monkeypatch):
    genuine = doctor._import

    def importing(name):
        if name == "music21":
            raise ImportError("No module named 'music21'")
        return genuine(name)

    monkeypatch.setattr(doctor, "_import", importing)
    done = cli("doctor", "--json")
    found = json.loads(done.out)
    check = next(check for check in found["checks"] if check["name"] == "music21")
    assert done.code == 0 and found["ok"] is True and check["ok"] is False
    assert "optional" in check["detail"] and "wavecore[data]" in check["fix"]
    assert "fix: pip install 'wavecore[data]'" in cli("doctor").out


def test_no_shipped_model_is_a_failure(cli, healthy, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path)
    done = cli("doctor")
    assert done.code == 1 and "FAIL models" in done.out and "models" in done.err


def test_a_corrupt_model_is_found(cli, model, healthy, tmp_path, monkeypatch):
    shutil.copytree(model, tmp_path / "tiny")
    with open(tmp_path / "tiny" / "model.safetensors", "ab") as file:
        file.write(b"x")
    monkeypatch.setattr(checkpoint, "PRETRAINED", tmp_path)
    done = cli("doctor")
    assert done.code == 1 and "corrupt" in done.out and "model tiny" in done.err


def test_a_check_that_raises_is_a_line():
    def look() -> str:
        raise OSError("first line\n  second line")

    check = examine(Part("x", look, "do this"))
    assert (check.ok, check.detail, check.fix) == (False, "OSError: first line second line", "do this")
    assert examine(Part("x", lambda: "1.0", "do this")).fix == ""


@pytest.mark.slow
def test_numba_agrees_with_the_reference():
    assert backend_error("numba", "cpu") < 1e-4
    assert "agrees" in doctor._agreement("numba", "cpu")


@pytest.mark.slow
def test_the_networks_logits_depend_on_what_is_compared(monkeypatch):
    """The comparison would see a backend that ignores its input."""
    from wavecore.nn import generate

    genuine = generate.open_generator

    def faulty(state, config, *, backend, **options):
        generator = genuine(state, config, backend=backend, **options)
        if backend == "numba":
            force = generator.force
            generator.force = lambda codes: force(np.roll(codes, 1, axis=1))
        return generator

    monkeypatch.setattr(generate, "open_generator", faulty)
    assert backend_error("numba", "cpu") > 0.01
    with pytest.raises(DeviceError, match="differs from the reference"):
        doctor._agreement("numba", "cpu")


def test_the_slow_checks_pass_here():
    assert doctor._librosa() and "compiles" in doctor._numba() and doctor._soxr()
