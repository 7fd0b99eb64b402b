"""Banks of note latents: notes of any length, and files."""

from dataclasses import replace

import numpy as np
import pytest

from wavecore.errors import InputError, ModelError, OutputExistsError
from wavecore.rendering import bank as banks
from wavecore.rendering.bank import Bank, Instrument


@pytest.fixture
def ramp():
    """A note of ten held frames and three of release; its latent counts the frames."""
    latents = np.stack([np.arange(13.0)[:, None] + 100 * number for number in range(3)]).astype(np.float32)
    return Bank({"ramp": Instrument("x", None, np.array([60, 64, 72]), latents)}, 10, 0.1, "abc", "made here")


def test_short_notes_are_cut_and_keep_attack_and_release(ramp):
    assert ramp.note("ramp", 60, 4, 3)[:, 0].tolist() == [0, 1, 2, 3, 10, 11, 12]
    assert ramp.note("ramp", 60, 1, 1)[:, 0].tolist() == [0, 10]
    assert ramp.note("ramp", 60, 10, 0)[:, 0].tolist() == list(range(10))
    assert ramp.note("ramp", 60, 10, 99)[:, 0].tolist() == list(range(13))


def test_long_notes_are_stretched_behind_the_attack(ramp):
    found = ramp.note("ramp", 60, 16, 3)[:, 0]
    np.testing.assert_allclose(found, [0, 1, *np.linspace(2, 9, 14), 10, 11, 12], rtol=1e-6)
    assert ramp.note("ramp", 60, 1000, 3).shape == (1003, 1)


def test_a_sustain_is_steadied_and_attack_and_release_are_not():
    rng = np.random.default_rng(3)
    latents = rng.normal(size=(1, 130, 2)).astype(np.float32)
    found = Bank({"one": Instrument("x", None, np.array([60]), latents)}, 100, 0.02, "abc", "").note("one", 60, 100, 30)
    heard = latents[0]
    np.testing.assert_array_equal(found[:10], heard[:10])  # 0.2 s
    np.testing.assert_array_equal(found[100:], heard[100:])
    for frame, reach in (
        (10, 0),
        (11, 1),
        (15, 5),
        (22, 12),
        (50, 12),
        (87, 12),
        (97, 2),
        (99, 0),
    ):  # 0.24 s, and inside the sustain
        np.testing.assert_allclose(found[frame], heard[frame - reach : frame + reach + 1].mean(axis=0), atol=1e-6)
    assert found[30:80].std() < 0.3 < heard[30:80].std()


def test_the_nearest_pitch_gives_the_timbre(ramp):
    assert [int(ramp.note("ramp", pitch, 1, 0)[0, 0]) for pitch in (20, 61, 63, 67, 69, 120)] == [
        0,
        0,
        100,
        100,
        200,
        200,
    ]


def test_a_bank_survives_its_file(bank, tmp_path):
    banks.save(tmp_path / "a.npz", bank)
    found = banks.load(tmp_path / "a.npz")
    assert (found.held_frames, found.frame_s, found.model_sha256, found.origin) == (
        4,
        0.032,
        bank.model_sha256,
        "made here, CC0",
    )
    assert found.ranges() == {"pipe": (60.0, 84.0), "drone": (40.0, 52.0)}
    for name, one in bank.instruments.items():
        assert (found.instruments[name].source, found.instruments[name].program) == (one.source, one.program)
        np.testing.assert_array_equal(found.instruments[name].pitches, one.pitches)
        np.testing.assert_allclose(found.instruments[name].latents, one.latents, atol=2e-3)
    with pytest.raises(OutputExistsError):
        banks.save(tmp_path / "a.npz", bank)
    banks.save(tmp_path / "a.npz", replace(bank, origin="again"), overwrite=True)
    assert banks.load(tmp_path / "a.npz").origin == "again"


def test_what_is_no_bank_is_refused(bank, tmp_path):
    with pytest.raises(InputError, match="there is no bank of notes .*wavecore data bank"):
        banks.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no bank")
    with pytest.raises(InputError, match="it is no .npz file"):
        banks.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", latent=np.zeros(3))
    with pytest.raises(InputError, match="is no bank of notes"):
        banks.load(tmp_path / "other.npz")
    pipe = bank.instruments["pipe"]
    for broken in (
        {},
        {"pipe": replace(pipe, pitches=pipe.pitches[:2])},
        {"pipe": replace(pipe, pitches=pipe.pitches[::-1])},
        {"pipe": replace(pipe, latents=pipe.latents[:, :3])},
        {"pipe": replace(pipe, latents=pipe.latents * np.nan)},
    ):
        banks.save(tmp_path / "broken.npz", replace(bank, instruments=broken), overwrite=True)
        with pytest.raises(InputError, match="holds no instrument|is damaged: pipe"):
            banks.load(tmp_path / "broken.npz")


def test_a_model_plays_with_its_own_bank(noter, bank, tmp_path):
    with pytest.raises(ModelError, match="noter has no bank of notes"):
        banks.of_model(noter)
    assert banks.require_model(bank, noter, "x.npz") is bank
    with pytest.raises(InputError, match="x.npz holds notes of a model 000"):
        banks.require_model(replace(bank, model_sha256="0" * 64), noter, "x.npz")
    elsewhere = replace(noter, path=tmp_path)
    banks.save(tmp_path / banks.FILE, bank)
    assert banks.of_model(elsewhere).origin == bank.origin
