"""The model that ``wavecore.load`` returns for a GAN: pieces of both variants, scales."""

import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import UsageError
from wavecore.models.base import load
from wavecore.models.gan.config import PRESETS
from wavecore.models.gan.model import GAN


@pytest.fixture(scope="module", params=["tiny", "mogren-tiny"])
def model(tmp_path_factory, request):
    """A GAN of random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = GAN(PRESETS[request.param])
    folder = tmp_path_factory.mktemp("models") / "composer"
    checkpoint.save(network, folder)
    return load(folder)


def test_a_piece_has_its_length_tempo_and_scale(model):
    song = model.compose(8, scale="D-major", tempo=80, seed=1, device="cpu")
    assert {event.pitch % 12 for event in song.parts[0].events} <= {2, 4, 6, 7, 9, 11, 1}
    assert 7 * 4 * 480 < song.end <= 8 * 4 * 480
    assert song.tempos[0].beats_per_minute == pytest.approx(80, rel=1e-4)
    assert song.info == {"model": "composer", "model_sha256": model.sha256, "seed": 1, "bars": 8}
    assert model.compose(1, device="cpu").info["seed"] != model.compose(1, device="cpu").info["seed"]
    assert "16 notes" in repr(model)
    with pytest.raises(UsageError, match="h-major"):
        model.compose(scale="h-major", device="cpu")
