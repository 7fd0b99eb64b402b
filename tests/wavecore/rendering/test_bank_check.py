"""Notes of a bank that a model says clearly, and those that it does not."""

from dataclasses import replace

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.errors import UsageError
from wavecore.rendering import bank as banks
from wavecore.rendering.bank_check import clear, shares


@pytest.fixture(scope="module")
def shipped():
    return checkpoint.load("notes", kind="nsynth")


def _small(shipped, **pitches) -> banks.Bank:
    """Some notes of the shipped bank, moved to given pitches."""
    bank = banks.of_model(shipped)
    instruments = {
        name: replace(
            bank.instruments[name], pitches=np.array(wanted), latents=bank.instruments[name].latents[-len(wanted) :]
        )
        for name, wanted in pitches.items()
    }
    return replace(bank, instruments=instruments)


def test_a_clear_note_is_at_its_pitch_and_noise_is_not(shipped):
    told = []
    bank = _small(shipped, flute=[64, 72], piano=[69])
    # Latents that no sound has: the decoder answers with noise.
    latents = bank.instruments["flute"].latents.copy()
    latents[0] = np.random.default_rng(0).normal(0, 30, latents[0].shape)
    bank = replace(bank, instruments={**bank.instruments, "flute": replace(bank.instruments["flute"], latents=latents)})
    found = shares(shipped, bank, temperature=shipped.temperature, on_progress=lambda *done: told.append(done))
    assert found["flute"][0] < 0.5 and found["flute"][1] > 0.95 and found["piano"][0] > 0.95
    assert told == [(1, 2), (2, 2)]
    kept = clear(bank, found)
    assert kept.instruments["flute"].pitches.tolist() == [72] and kept.ranges()["piano"] == (69, 69)
    np.testing.assert_array_equal(kept.instruments["flute"].latents, latents[1:])


def test_every_note_of_the_shipped_bank_is_clear(shipped):
    bank = banks.of_model(shipped)
    few = dict(list(bank.instruments.items())[::6])
    found = shares(shipped, replace(bank, instruments=few), temperature=shipped.temperature)
    # Another machine rounds otherwise and draws otherwise.
    assert all((share > 0.6).all() and share.mean() > 0.9 for share in found.values()), found


def test_what_is_left_out(shipped):
    bank = _small(shipped, flute=[60, 64, 68], piano=[60, 72])
    heard = {"flute": np.array([0.2, 0.95, 1.0]), "piano": np.array([0.1, 0.5])}
    kept = clear(bank, heard)
    assert kept.instruments["flute"].pitches.tolist() == [64, 68]
    assert kept.instruments["piano"].pitches.tolist() == [60, 72], "nothing better is known"
    assert heard["piano"].tolist() == [0.1, 0.5] and len(bank.instruments["flute"].pitches) == 3
    assert clear(bank, heard, least=0).ranges() == bank.ranges()
    assert (kept.held_frames, kept.origin, kept.model_sha256) == (bank.held_frames, bank.origin, bank.model_sha256)


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        ([1, 0, 1, 1, 1], [48, 56, 60, 64]),
        ([1, 0, 0, 1, 1], [60, 64]),
        ([1, 1, 0, 0, 0], [48, 52]),
        ([1, 0, 0, 0, 1], [64]),
        ([0, 0, 1, 0, 1], [56, 64]),
    ],
)
def test_nothing_is_kept_below_a_wide_hole(shipped, heard, kept):
    bank = _small(shipped, flute=[48, 52, 56, 60, 64])
    assert clear(bank, {"flute": np.array(heard, np.float64)}).instruments["flute"].pitches.tolist() == kept


def test_what_is_refused(shipped, nsynth_without_pitch):
    bank = _small(shipped, flute=[60, 64])
    with pytest.raises(UsageError, match="flute has 2 notes, and 1 of them were heard"):
        clear(bank, {"flute": np.ones(1)})
    with pytest.raises(UsageError, match="flute has 2 notes, and 0 of them"):
        clear(bank, {})
    with pytest.raises(UsageError, match=r"the least share is 1\.5"):
        clear(bank, {"flute": np.ones(2)}, least=1.5)
    with pytest.raises(UsageError, match="has no pitch in its latent"):
        shares(nsynth_without_pitch, bank, temperature=1.0)
