"""Lines played by an autoencoder of notes: latents, pitches, conditioning."""

from itertools import islice

import numpy as np
import pytest
import torch

from wavecore.errors import UsageError
from wavecore.rendering import mixer, nsynth
from wavecore.rendering.casting import Line

FRAME_S = 512 / 16_000


def lines_of(line):
    return [
        Line("a", "pipe", line((0.1, 0.3, 60), (0.3, 0.36, 67), (0.7, 1.2, 84)), 0, 0.0),
        Line("b", "drone", line((0.0, 0.2, 40)), 0, 0.0),
        Line("c", "drone", line((0.0, 0.8, 36)), 1, 0.0),
    ]


def test_frames_of_notes_and_rests(bank, line):
    latents = nsynth.frames(bank, lines_of(line)[0], 0, 48)
    pipe = bank.instruments["pipe"].latents
    centres = (np.arange(48) + 0.5) * FRAME_S
    pitches = np.select([centres < 0.3, centres < 0.7], [60, 67], 84)
    np.testing.assert_allclose(latents[:, -1] * 12 + 60, pitches, atol=1e-5)
    np.testing.assert_array_equal(latents[:3, :-1], np.repeat(pipe[0, :1], 3, axis=0))  # before the first note
    # The fifth frame's centre lies 0.044 s after the first note's onset: 0.875 frames beyond the first frame's centre.
    age = (centres[4] - 0.1) / FRAME_S - 0.5
    assert age == pytest.approx(0.875)
    np.testing.assert_allclose(latents[4, :-1], (1 - age) * pipe[0, 0] + age * pipe[0, 1], atol=1e-5)
    # Two frames of the second note are held, with the timbre of 72; of its three frames of release the last one stays.
    second = (centres >= 0.3) & (centres < 0.7)
    np.testing.assert_allclose(latents[second, :-1][-3:], np.repeat(pipe[1, 6:7], 3, axis=0), atol=1e-6)
    age = (centres[second][2] - 0.3) / FRAME_S - 0.5
    short = np.concatenate([pipe[1, :2], pipe[1, 4:7]])
    interpolated = [np.interp(age, range(5), track) for track in short.T]
    np.testing.assert_allclose(latents[second, :-1][2], interpolated, atol=1e-5)


def test_blocks_equal_the_whole(bank, line):
    for one in lines_of(line):
        whole, track = nsynth.frames(bank, one, -2, 50), nsynth.pitches(one, -100, 5000, sample_rate=16_000)
        for begin in range(-2, 40, 5):
            np.testing.assert_array_equal(nsynth.frames(bank, one, begin, 7), whole[begin + 2 : begin + 9])
            np.testing.assert_array_equal(
                nsynth.pitches(one, 100 * begin, 700, sample_rate=16_000)[:500],
                np.pad(track, (200, 0), mode="edge")[100 * begin + 300 : 100 * begin + 800],
            )


def test_pitches_change_at_the_onsets(line):
    pitch = nsynth.pitches(lines_of(line)[0], 0, 16_000, sample_rate=16_000)
    assert (pitch[:4801] == 60).all() and (pitch[4800 + 64 : 11_200] == 67).all() and (pitch[11_200 + 64 :] == 84).all()
    assert (np.diff(pitch) >= 0).all() and np.diff(pitch).max() < 0.3  # a glide of 4 ms
    higher = Line("c", "drone", line((0.0, 0.8, 36), (0.8, 1.0, 40)), 1, 0.0)
    higher = nsynth.pitches(higher, 0, 16_000, sample_rate=16_000)
    assert (higher[:6400] == 48).all() and (higher[6400 + 64 :] == 52).all()  # an octave higher and twice as fast


def test_frames_of_another_octave(bank, line):
    latents = nsynth.frames(bank, lines_of(line)[2], 0, 30)
    assert latents[0, -1] * 12 + 60 == pytest.approx(48)
    held = round(0.4 / FRAME_S)
    np.testing.assert_allclose(latents[:held, :-1], bank.note("drone", 48, held, 0), atol=1e-5)


def test_notes_shorter_than_a_frame(bank, line):
    tune = Line("a", "pipe", line((0.0, 0.001, 60), (0.001, 0.002, 64), (0.05, 0.3, 72)), 0, 0.0)
    assert (nsynth.frames(bank, tune, 0, 6)[:, -1] * 12 + 60).round().tolist() == [64, 64, 72, 72, 72, 72]


def test_conditioning_of_a_held_note_is_the_network_s_own(noter, bank, line):
    one = Line("a", "pipe", line((0.0, 9.0, 67)), 0, 0.0)
    blocks = np.concatenate(list(islice(nsynth.conditioning(noter.network, bank, [one]), 3)), axis=1)
    n = 3 * nsynth.BLOCK_FRAMES
    latent = torch.from_numpy(nsynth.frames(bank, one, 0, n + 1))[None]
    with torch.inference_mode():
        whole = noter.network.condition(latent)[:, : n * 512].numpy()
    # Frequencies differ in the last digit of a float32, phases by what that comes to in 1.5 s.
    np.testing.assert_allclose(blocks, whole, atol=0.02 * np.abs(whole).max())
    assert np.abs(blocks - whole).mean() < 1e-3 * np.abs(whole).mean()


@pytest.mark.slow
def test_conditioning_does_not_depend_on_the_blocks(noter, bank, line, monkeypatch):
    lines = lines_of(line)[:2]
    whole = np.concatenate(list(islice(nsynth.conditioning(noter.network, bank, lines), 3)), axis=1)
    monkeypatch.setattr(nsynth, "BLOCK_FRAMES", 5)
    blocks = np.concatenate(list(islice(nsynth.conditioning(noter.network, bank, lines), 9)), axis=1)
    np.testing.assert_allclose(blocks, whole[:, : blocks.shape[1]], atol=1e-3)


@pytest.mark.slow
def test_samples_are_determined_by_the_seed(noter, bank, line):
    def generated(seed):
        sections = nsynth.sections(noter, bank, lines_of(line), seed=seed, temperature=1.0)
        assert [section.indices for section in sections] == [(0, 1), (2,)]
        return np.concatenate(list(mixer.play(sections, 5001, sample_rate=16_000, draws=True)), axis=1)

    sounds = generated(3)
    assert sounds.shape == (3, 5001) and all(row.std() > 0 for row in sounds)
    np.testing.assert_array_equal(sounds, generated(3))
    assert (sounds != generated(4)).any(axis=1).all()


def test_models_without_a_pitch(nsynth_without_pitch, bank, line):
    with pytest.raises(UsageError, match="plain"):
        nsynth.sections(nsynth_without_pitch, bank, lines_of(line), seed=0, temperature=1.0)
