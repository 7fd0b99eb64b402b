"""The model as ``wavecore.load`` returns it: sounds in, sounds out, at one level, repeatable by their seed."""

import numpy as np
import pytest

from wavecore.audio import note_level
from wavecore.errors import InputError, UsageError
from wavecore.models import base
from wavecore.models.nsynth.grid import cells

RATE, HOP = 16_000, 512
FAST = {"device": "cpu", "seed": 3}


@pytest.fixture(scope="module")
def model(nsynth_model):
    return base.load(nsynth_model, kind="nsynth")


@pytest.fixture(scope="module")
def pair():
    t = np.arange(2000) / RATE
    return [(level * np.sin(2 * np.pi * f0 * t)).astype(np.float32) for level, f0 in ((0.4, 440), (0.1, 660))]


def test_a_sound_is_encoded_at_the_model_s_level_and_rate(model, pair):
    latent = model.encode(pair[0], RATE)
    assert latent.shape == (4, 16) and latent.dtype == np.float32
    np.testing.assert_allclose(model.encode(0.1 * pair[0], RATE), latent, atol=1e-3)
    fast = np.sin(2 * np.pi * 440 * np.arange(4000) / (2 * RATE)).astype(np.float32)
    assert model.encode(fast, 2 * RATE).shape == latent.shape
    assert model.encode(np.zeros(600, np.float32), RATE).shape == (2, 16)


@pytest.mark.slow
def test_a_latent_is_decoded_to_a_sound_at_a_level(model, pair):
    latent = model.encode(pair[0], RATE)
    one, again = (model.decode(latent, level_db=-30.0, **FAST) for _ in range(2))
    samples, rate = one
    assert samples.shape == (4 * HOP,) and rate == RATE and samples[0] == samples[-1] == 0
    np.testing.assert_array_equal(samples, again.samples)
    assert one.info == {"model": "notes", "model_sha256": model.sha256, "seed": 3}
    assert note_level.loud_db(samples) == pytest.approx(-30, abs=1)
    drawn = model.decode(latent, device="cpu")
    assert note_level.loud_db(drawn.samples) == pytest.approx(-15, abs=1.5), "the level of the training sounds"
    assert drawn.info["seed"] != model.decode(latent, device="cpu").info["seed"]


def test_latents_of_several_lengths_are_decoded_at_once(model, pair):
    latents = [model.encode(pair[0], RATE), model.encode(pair[1][:600], RATE)]
    both = model.decode_batch(latents, levels_db=[-20, None], n_samples=[2000, 600], **FAST)
    assert [len(sound.samples) for sound in both] == [2000, 600]
    alone = model.decode_batch(latents[:1], levels_db=[-20], n_samples=[2000], **FAST)
    np.testing.assert_array_equal(alone[0].samples, both[0].samples)
    with pytest.raises(UsageError, match="shape"):
        model.decode(latents[0][0], **FAST)


@pytest.mark.slow
def test_an_interpolation_lies_between_and_ends_at_the_sounds(model, pair):
    a, b = pair
    level_db = np.mean([note_level.loud_db(x) for x in pair])
    half = model.interpolate(a, b, rate=RATE, **FAST)
    assert half.samples.shape == (4 * HOP,) and note_level.loud_db(half.samples) == pytest.approx(level_db, abs=1)
    np.testing.assert_array_equal(half.samples, model.mix(pair, [(1, 1)], rate=RATE, **FAST)[0].samples)
    one_end = model.interpolate(a, b, rate=RATE, weight=0.0, **FAST)
    constant = model.interpolate(a, b, rate=RATE, weight=(0.0, 0.0), **FAST)
    np.testing.assert_array_equal(one_end.samples, constant.samples)
    changing = model.interpolate(a, b, rate=RATE, weight=(0, 1), method="slerp", stretch=2.0, **FAST)
    assert changing.duration_s == pytest.approx(8 * HOP / RATE)


def test_mixes_are_a_batch_and_signals_are_mixed_for_comparison(model, pair):
    weights = [(1, 0), {0.0: (1, 0), 0.1: (0, 1)}]
    mixes = model.mix(pair, weights, rate=RATE, **FAST)
    assert len(mixes) == 2 and not np.array_equal(mixes[0].samples, mixes[1].samples)
    plain = model.mix_signals(pair, weights, rate=RATE)
    level_db = np.mean([note_level.loud_db(x) for x in pair])
    assert [note_level.loud_db(sound.samples) for sound in plain] == pytest.approx([level_db] * 2, abs=0.1)
    np.testing.assert_allclose(plain[0].samples / plain[0].samples.max(), pair[0] / pair[0].max(), atol=1e-5)


def test_a_grid_yields_the_chosen_cells(model, pair):
    corners, reports = [*pair, *pair], []
    options = {"rate": RATE, "size": 2, "on_progress": lambda *done: reports.append(done), **FAST}
    whole = dict(model.grid(corners, **options))
    assert list(whole) == cells(2) and reports[-1] == (4, 4)
    ((cell, sound),) = model.grid(corners, chosen=cells(2)[1:2], **options)
    np.testing.assert_array_equal(sound.samples, whole[cell].samples)
    assert sound.rate == RATE and sound.info["seed"] == 3


def test_what_makes_no_sense_is_refused(model, pair):
    a, b = pair
    with pytest.raises(UsageError, match="3"):
        model.grid([a, b, a], rate=RATE)
    with pytest.raises(UsageError, match="'cubic'"):
        model.interpolate(a, b, rate=RATE, method="cubic", **FAST)
    with pytest.raises(UsageError, match="pitch"):
        model.decode(model.encode(a, RATE), pitch=60, **FAST)
    with pytest.raises(InputError, match="silent"):
        model.interpolate(a, np.zeros(2000, np.float32), rate=RATE, **FAST)
    with pytest.raises(InputError):
        model.encode(np.stack([a, b]), RATE)


def test_the_repr_tells_the_size_of_the_latent(model):
    assert "16 channels, 31.25 frames/s" in repr(model) and "interpolate" in repr(model)
