import json

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.models.nsynth import latent_files

RATE = 16_000


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    t = np.arange(5000) / RATE
    for name, frequency in (("low", 300), ("high", 700)):
        files.write(folder / f"{name}.wav", (0.2 * np.sin(2 * np.pi * frequency * t)).astype(np.float32), RATE)
    return folder


@pytest.mark.slow
def test_a_folder_of_sounds(cli, notes, nsynth_model, tmp_path):
    words = ("encode", notes, "--model", nsynth_model, "-o", tmp_path / "latents")
    done = cli(*words, "--json")
    assert done.code == 0, done.err
    assert [row["frames"] for row in json.loads(done.out)["outputs"]] == [10, 10]
    stored = latent_files.load(tmp_path / "latents" / "low.npz")
    assert stored.latent.shape[0] == 10 and (stored.sample_rate, stored.n_samples) == (RATE, 5000)
    assert stored.model_sha256 == checkpoint.file_sha256(nsynth_model / "model.safetensors")
    assert stored.level_db == pytest.approx(20 * np.log10(0.2 / 2**0.5), abs=0.3)
    assert [cli(*words, *flag).code for flag in ((), ("--skip-existing",), ("--overwrite",))] == [6, 0, 0]


def test_misuse(cli, notes, nsynth_model, tmp_path):
    (notes / "more").mkdir()
    (notes / "more" / "low.wav").write_bytes((notes / "low.wav").read_bytes())
    done = cli("encode", notes / "low.wav", notes / "more" / "low.wav", "--model", nsynth_model, "-o", tmp_path / "x")
    assert done.code == 2 and "low.npz" in done.err
    assert cli("encode", tmp_path / "none.wav", "--model", nsynth_model, "-o", tmp_path / "x").code == 3
