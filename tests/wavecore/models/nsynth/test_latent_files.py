"""Latents on disk: they come back as they were, and damage is named."""

import pickle

import numpy as np
import pytest

from wavecore.checkpoint import LoadedModel
from wavecore.errors import InputError, OutputExistsError
from wavecore.models.nsynth.latent_files import StoredLatent, load, require_model, save


@pytest.fixture
def stored():
    latent = np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32)
    return StoredLatent(latent, 16_000, 512, 3500, "ab" * 32, -21.5)


def test_they_come_back(stored, tmp_path):
    path = save(tmp_path / "new" / "a.npz", stored)
    found = load(path)
    np.testing.assert_array_equal(found.latent, stored.latent)
    assert (found.sample_rate, found.hop_length, found.n_samples) == (16_000, 512, 3500)
    assert (found.model_sha256, found.level_db) == ("ab" * 32, -21.5)
    with pytest.raises(OutputExistsError):
        save(path, stored)
    save(path, stored, overwrite=True)


def test_damage_is_named(stored, tmp_path):
    path = save(tmp_path / "a.npz", stored)
    whole = path.read_bytes()
    for name, content in (("cut", whole[: len(whole) // 2]), ("empty", b""), ("text", b"no zip file")):
        bad = tmp_path / f"{name}.npz"
        bad.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.npz is no latent"):
            load(bad)
    with pytest.raises(InputError, match="no file"):
        load(tmp_path / "missing.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(InputError, match="other.npz is no latent"):
        load(tmp_path / "other.npz")


def test_objects_are_not_unpickled(stored, tmp_path):
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("unpickled",)

    path = tmp_path / "bomb.npz"
    try:
        np.savez(path, latent=np.array([Bomb()], dtype=object), allow_pickle=True)
    except (TypeError, pickle.PicklingError):
        pytest.skip("this NumPy writes no objects")
    with pytest.raises(InputError, match="is no latent"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latent": np.zeros((0, 3))}, "shape"),
        ({"latent": np.zeros(3)}, "shape"),
        ({"latent": np.full((7, 3), np.inf)}, "not finite"),
        ({"n_samples": 0}, "0 samples"),
        ({"n_samples": 7 * 512 + 1}, "3585 samples for 7 frames"),
    ],
)
def test_contradictions_are_named(stored, change, message, tmp_path):
    path = save(tmp_path / "a.npz", StoredLatent(**{**stored.__dict__, **change}))
    with pytest.raises(InputError, match=message):
        load(path)


def test_a_latent_belongs_to_its_model(stored, tmp_path):
    mine, other = (
        LoadedModel(None, name, tmp_path, sha, {}) for name, sha in (("mine", "ab" * 32), ("other", "cd" * 32))
    )
    require_model(stored, mine, "a.npz")
    with pytest.raises(InputError, match="a.npz was encoded by a model abababababab, and other is cdcdcdcdcdcd"):
        require_model(stored, other, "a.npz")
