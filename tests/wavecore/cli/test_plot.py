import json

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.models.nsynth import latent_files

RATE = 16_000
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def sounds(tmp_path):
    t = np.arange(RATE // 2) / RATE
    for name, frequency in (("a", 440), ("b", 660)):
        files.write(tmp_path / "in" / f"{name}.wav", (0.3 * np.sin(2 * np.pi * frequency * t)).astype(np.float32), RATE)
    return tmp_path / "in"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rainbowgram", "spectrogram", "pitch"])
def test_pictures_of_sounds(cli, sounds, kind, tmp_path):
    out = tmp_path / "new" / "a.png"
    done = cli("plot", kind, sounds, "-o", out, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"path": str(out), "drawn": 2} and out.read_bytes()[:8] == PNG
    assert cli("plot", kind, sounds, "-o", out).code == 6
    assert cli("plot", kind, sounds, "-o", out, "--overwrite").code == 0


@pytest.mark.slow
def test_pictures_of_latents(cli, tmp_path):
    latent = np.random.default_rng(0).standard_normal((20, 16)).astype(np.float32)
    path = latent_files.save(tmp_path / "x.npz", latent_files.StoredLatent(latent, RATE, 512, 10_000, "00", -20.0))
    assert cli("plot", "latent", path, "-o", tmp_path / "x.png").code == 0
    assert (tmp_path / "x.png").read_bytes()[:8] == PNG


@pytest.mark.parametrize("kind", ["rainbowgram", "spectrogram", "pitch", "latent"])
def test_misuse(cli, kind, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    assert cli("plot", kind, tmp_path / "none.wav", "-o", tmp_path / "a.png").code == 3
    assert cli("plot", kind, tmp_path / "text.wav", "-o", tmp_path / "a.png").code == 3
    assert cli("plot", kind, tmp_path / "text.wav", "-o", tmp_path / "a.jpg").code in (2, 3)
    assert cli("plot", kind).code == 2 and not (tmp_path / "a.png").exists()
