import json
from dataclasses import replace

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.models.nsynth import latent_files

RATE = 16_000


@pytest.fixture(scope="module")
def latents(nsynth_model, tmp_path_factory):
    """Latents of different lengths, short and long."""
    from wavecore.models import base

    folder = tmp_path_factory.mktemp("latents")
    model = base.load(nsynth_model)
    for name, n_samples in (("short", 1200), ("long", 2500)):
        x = 0.2 * np.sin(2 * np.pi * 500 * np.arange(n_samples) / RATE)
        stored = latent_files.StoredLatent(model.encode(x, RATE), RATE, 512, n_samples, model.sha256, -17.0)
        latent_files.save(folder / f"{name}.npz", stored)
    return [folder / "short.npz", folder / "long.npz"]


@pytest.mark.slow
def test_latents_become_sounds_of_their_length_and_level(cli, latents, nsynth_model, tmp_path):
    words = ("--model", nsynth_model, "--seed", "5")
    done = cli("decode", *latents, *words, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert [row["seconds"] for row in json.loads(done.out)["outputs"]] == [1200 / RATE, 2500 / RATE]
    x, rate = files.read(tmp_path / "out" / "long.wav")
    assert rate == RATE and len(x) == 2500 and 0 < np.abs(x).max() < 1
    alone = ("decode", latents[0], *words, "-o", tmp_path / "alone")
    assert [cli(*alone, *flag).code for flag in ((), (), ("--skip-existing",), ("--overwrite",))] == [0, 6, 0, 0]
    assert (tmp_path / "alone" / "short.wav").read_bytes() == (tmp_path / "out" / "short.wav").read_bytes()


@pytest.mark.slow
def test_latents_that_cannot_be_decoded(cli, latents, nsynth_model, tmp_path):
    words = ("--model", nsynth_model, "-o", tmp_path / "out")
    assert cli("decode", tmp_path / "none.npz", *words).code == 3
    stored = latent_files.load(latents[0])
    latent_files.save(tmp_path / "foreign.npz", replace(stored, model_sha256="00" * 32))
    done = cli("decode", tmp_path / "foreign.npz", *words)
    assert done.code == 3 and "000000000000" in done.err
    again = tmp_path / "short.npz"
    again.write_bytes(latents[0].read_bytes())
    assert cli("decode", latents[0], again, *words).code == 2
