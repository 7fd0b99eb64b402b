"""Latents on disk: they are read as they were written, and damage is named."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from wavecore.checkpoint import LoadedModel
from wavecore.errors import InputError, OutputExistsError
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.latent_files import StoredLatent, load, require_model, save


@pytest.fixture
def stored():
    latent = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    return StoredLatent(latent, 16_000, 512, 3500, "ab" * 32, -21.5)


def test_they_are_read_as_they_were_written(stored, tmp_path):
    path = save(tmp_path / "new" / "a.npz", stored)
    found = load(path)
    np.testing.assert_array_equal(found.latent, stored.latent)
    assert replace(found, latent=stored.latent) == stored
    with pytest.raises(OutputExistsError):
        save(path, stored)
    save(path, stored, overwrite=True)


def test_damage_is_named(stored, tmp_path):
    whole = save(tmp_path / "a.npz", stored).read_bytes()
    for name, content in (("cut", whole[: len(whole) // 2]), ("empty", b""), ("text", b"no zip file")):
        (tmp_path / f"{name}.npz").write_bytes(content)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    for name in ("cut", "empty", "text", "other", "missing"):
        with pytest.raises(InputError, match=f"{name}.npz"):
            load(tmp_path / f"{name}.npz")


def test_objects_are_not_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    try:
        np.savez(tmp_path / "bomb.npz", latent=np.array([Bomb()], dtype=object), allow_pickle=True)
    except (TypeError, pickle.PicklingError):
        pytest.skip("this NumPy writes no objects")
    with pytest.raises(InputError, match="bomb.npz"):
        load(tmp_path / "bomb.npz")


@pytest.mark.parametrize(
    "changes",
    [
        {"latent": np.zeros((0, 3))},
        {"latent": np.zeros(3)},
        {"latent": np.full((7, 3), np.inf)},
        {"n_samples": 0},
        {"n_samples": 7 * 512 + 1},
    ],
)
def test_contradictions_are_refused(stored, changes, tmp_path):
    path = save(tmp_path / "a.npz", replace(stored, **changes))
    with pytest.raises(InputError, match="a.npz"):
        load(path)


def test_a_latent_belongs_to_its_model(stored, tmp_path):
    class Network:
        config = NSynthConfig()

    own, other = (
        LoadedModel(Network(), name, tmp_path, sha * 32, {}) for name, sha in (("own", "ab"), ("other", "cd"))
    )
    require_model(replace(stored, latent=np.zeros((7, 16), np.float32)), own, "a.npz")
    with pytest.raises(InputError, match="a.npz.*abababababab.*other.*cdcdcdcdcdcd"):
        require_model(stored, other, "a.npz")
    with pytest.raises(InputError, match="a.npz has 3 channels"):
        require_model(stored, own, "a.npz")
