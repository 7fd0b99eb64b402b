"""Banks of note latents: notes of any length, and files."""

from dataclasses import replace

import numpy as np
import pytest

from wavecore.errors import InputError, ModelError, OutputExistsError
from wavecore.rendering import bank as banks
from wavecore.rendering.bank import Bank, Instrument


@pytest.fixture
def ramp():
    """Notes of ten held frames and three of release, whose latent counts the frames."""
    latents = np.stack([np.arange(13.0)[:, None] + 100 * number for number in range(3)]).astype(np.float32)
    return Bank({"ramp": Instrument("x", None, np.array([60, 64, 72]), latents)}, 10, 0.1, "abc", "made here")


@pytest.mark.parametrize(
    ("n_frames", "n_release", "frames"),
    [
        (4, 3, [0, 1, 2, 3, 10, 11, 12]),
        (1, 1, [0, 10]),
        (10, 0, range(10)),
        (10, 99, range(13)),
        (16, 3, [0, 1, *np.linspace(2, 9, 14), 10, 11, 12]),
    ],
)
def test_notes_are_cut_or_stretched_behind_the_attack(ramp, n_frames, n_release, frames):
    np.testing.assert_allclose(ramp.note("ramp", 60, n_frames, n_release)[:, 0], list(frames), rtol=1e-6)
    assert ramp.note("ramp", 60, 1000, 3).shape == (1003, 1)


def test_sustain_is_smoothed():
    latent = np.random.default_rng(3).normal(size=(130, 2)).astype(np.float32)
    bank = Bank({"one": Instrument("x", None, np.array([60]), latent[None])}, 100, 0.02, "abc", "")
    note = bank.note("one", 60, 100, 30)
    np.testing.assert_array_equal(note[:10], latent[:10])  # the attack, 0.2 s
    np.testing.assert_array_equal(note[100:], latent[100:])
    reaches = {10: 0, 11: 1, 15: 5, 22: 12, 50: 12, 87: 12, 97: 2, 99: 0}  # 0.24 s, within the sustain
    for frame, reach in reaches.items():
        np.testing.assert_allclose(note[frame], latent[frame - reach : frame + reach + 1].mean(axis=0), atol=1e-6)
    assert note[30:80].std() < 0.3 < latent[30:80].std()


def test_timbre_of_the_nearest_pitch(ramp):
    timbres = [int(ramp.note("ramp", pitch, 1, 0)[0, 0]) for pitch in (20, 61, 63, 67, 69, 120)]
    assert timbres == [0, 0, 100, 100, 200, 200]


def test_round_trip(bank, tmp_path):
    path = tmp_path / "a.npz"
    banks.save(path, bank)
    again = banks.load(path)
    for name in ("held_frames", "frame_s", "model_sha256", "origin"):
        assert getattr(again, name) == getattr(bank, name)
    assert again.ranges() == {"pipe": (60.0, 84.0), "drone": (40.0, 52.0)}
    for name, one in bank.instruments.items():
        assert (again.instruments[name].source, again.instruments[name].program) == (one.source, one.program)
        np.testing.assert_array_equal(again.instruments[name].pitches, one.pitches)
        np.testing.assert_allclose(again.instruments[name].latents, one.latents, atol=2e-3)
    with pytest.raises(OutputExistsError):
        banks.save(path, bank)
    banks.save(path, replace(bank, origin="again"), overwrite=True)
    assert banks.load(path).origin == "again"


def test_files_that_are_no_banks(tmp_path):
    (tmp_path / "text.npz").write_text("no bank")
    np.savez(tmp_path / "other.npz", latent=np.zeros(3))
    for name in ("missing.npz", "text.npz", "other.npz"):
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            banks.load(tmp_path / name)


def test_damaged_banks(bank, tmp_path):
    pipe = bank.instruments["pipe"]
    for broken in (
        {},
        {"pipe": replace(pipe, pitches=pipe.pitches[:2])},
        {"pipe": replace(pipe, pitches=pipe.pitches[::-1])},
        {"pipe": replace(pipe, latents=pipe.latents[:, :3])},
        {"pipe": replace(pipe, latents=pipe.latents * np.nan)},
    ):
        banks.save(tmp_path / "broken.npz", replace(bank, instruments=broken), overwrite=True)
        with pytest.raises(InputError, match="pipe" if broken else "no instrument"):
            banks.load(tmp_path / "broken.npz")


def test_bank_of_a_model(noter, bank, tmp_path):
    with pytest.raises(ModelError, match="noter"):
        banks.for_model(noter)
    banks.save(tmp_path / banks.FILE, bank)
    assert banks.for_model(replace(noter, path=tmp_path)).origin == bank.origin
    assert banks.for_model(noter, tmp_path / banks.FILE).origin == bank.origin
    banks.save(tmp_path / "x.npz", replace(bank, model_sha256="0" * 64))
    with pytest.raises(InputError, match=r"x\.npz.*0{12}"):
        banks.for_model(noter, tmp_path / "x.npz")
