import json
import math
import os

import pytest

from wavecore import checkpoint
from wavecore.console.common import version
from wavecore.console.sidecar import describe_translation, sidecar_path, write_sidecar
from wavecore.errors import OutputExistsError
from wavecore.models.translation.translate import TranslationResult


def test_a_sidecar_is_whole_json_beside_the_output(tmp_path):
    path = sidecar_path(tmp_path / "a.b.wav")
    assert path == tmp_path / "a.b.wav.json"
    write_sidecar(path, {"peak_db": -math.inf, "seed": 3}, overwrite=False)
    assert json.loads(path.read_text()) == {"peak_db": None, "seed": 3}
    with pytest.raises(OutputExistsError):
        write_sidecar(path, {}, overwrite=False)
    write_sidecar(path, {"seed": 4}, overwrite=True)
    assert json.loads(path.read_text()) == {"seed": 4}
    assert os.listdir(tmp_path) == ["a.b.wav.json"]


def test_what_a_translation_records(model):
    result = TranslationResult("a.wav", "organ", "b.wav", 1.5, 100.0, 0.5, -1, None, -3.0, ("careful",))
    found = describe_translation(
        result, checkpoint.load(model), command=["wavecore", "x"], seed=3, temperature=0.9, device="cpu",
        backend="numba", input_rate=44_100, output_rate=16_000,
    )  # fmt: skip
    assert found["rates"] == {"input": 44_100, "model": 16_000, "output": 16_000}
    assert (found["version"], found["command"], found["seed"]) == (version(), ["wavecore", "x"], 3)
    assert (found["model"], found["model_sha256"]) == (
        "tiny",
        checkpoint.file_sha256(model / "model.safetensors"),
    )
    assert (found["temperature"], found["device"], found["backend"]) == (0.9, "cpu", "numba")
    assert found["result"]["domain"] == "organ" and found["result"]["warnings"] == ("careful",)
