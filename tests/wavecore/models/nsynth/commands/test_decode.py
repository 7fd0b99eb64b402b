import json

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.models.nsynth import latent_files

RATE = 16_000


@pytest.fixture
def latents(cli, nsynth_model, tmp_path):
    """Two latents of different lengths."""
    for name, n_samples in (("short", 2000), ("long", 5000)):
        t = np.arange(n_samples) / RATE
        files.write(tmp_path / f"{name}.wav", (0.2 * np.sin(2 * np.pi * 500 * t)).astype(np.float32), RATE)
        assert cli("encode", tmp_path / f"{name}.wav", "--model", nsynth_model, "-o", tmp_path / "l").code == 0
    return [tmp_path / "l" / "short.npz", tmp_path / "l" / "long.npz"]


def test_latents_become_sounds_of_their_length_and_level(cli, latents, nsynth_model, tmp_path):
    done = cli("decode", *latents, "--model", nsynth_model, "--seed", "5", "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert [row["seconds"] for row in json.loads(done.out)["outputs"]] == [2000 / RATE, 5000 / RATE]
    x, rate = files.read(tmp_path / "out" / "long.wav")
    assert rate == RATE and len(x) == 5000 and 0 < np.abs(x).max() < 1
    alone = cli("decode", latents[0], "--model", nsynth_model, "--seed", "5", "-o", tmp_path / "alone")
    assert alone.code == 0
    np.testing.assert_array_equal(
        files.read(tmp_path / "alone" / "short.wav")[0], files.read(tmp_path / "out" / "short.wav")[0]
    )


def test_existing_sounds(cli, latents, nsynth_model, tmp_path):
    words = ("decode", latents[0], "--model", nsynth_model, "--seed", "5", "-o", tmp_path / "out")
    assert cli(*words).code == 0
    assert cli(*words).code == 6 and cli(*words, "--skip-existing").code == 0 and cli(*words, "--overwrite").code == 0


def test_what_cannot_be_decoded(cli, latents, nsynth_model, tmp_path):
    assert cli("decode", tmp_path / "none.npz", "--model", nsynth_model, "-o", tmp_path / "out").code == 3
    stored = latent_files.load(latents[0])
    latent_files.save(
        tmp_path / "foreign.npz", latent_files.StoredLatent(**{**stored.__dict__, "model_sha256": "00" * 32})
    )
    done = cli("decode", tmp_path / "foreign.npz", "--model", nsynth_model, "-o", tmp_path / "out")
    assert done.code == 3 and "was encoded by a model 000000000000" in done.err
    (tmp_path / "m").mkdir()
    again = tmp_path / "m" / "short.npz"
    again.write_bytes(latents[0].read_bytes())
    assert cli("decode", latents[0], again, "--model", nsynth_model, "-o", tmp_path / "out").code == 2
