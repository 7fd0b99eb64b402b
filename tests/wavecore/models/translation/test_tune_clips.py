"""Held-out tunes, as everybody plays them."""

from dataclasses import replace

import numpy as np
import pytest

from wavecore.errors import InputError, UsageError
from wavecore.models.translation import tune_clips


def test_every_tune_is_taken_once_as_everybody_plays_it(tunes, clips, play_tune):
    assert [clip.name for clip in clips] == ["test0", "test1", "test3"]
    for clip, tune in zip(clips, (10, 11, 12), strict=True):
        np.testing.assert_allclose(clip.source, play_tune("whistle", tune), atol=0.01)
        assert list(clip.truth) == ["flute", "organ"]
        np.testing.assert_allclose(clip.truth["organ"], play_tune("organ", tune), atol=0.02)
    two = tune_clips.choose(tunes, "organ", ["organ"], split="test", n_clips=2, seconds=0.5)
    assert [len(clip.source) for clip in two] == [8000, 8000] and np.array_equal(two[0].source, two[0].truth["organ"])


def test_noise_is_drawn_from_the_seed(clips):
    first, same, other = (tune_clips.instead("noise", clips, ["flute"], seed=seed)["flute"][0] for seed in (1, 1, 2))
    assert np.array_equal(first, same) and not np.array_equal(first, other)
    with pytest.raises(
        UsageError, match="no 'music' to be judged instead; choose one of truth, source, silence, noise"
    ):
        tune_clips.instead("music", clips, ["flute"])


def test_what_cannot_be_judged(tunes, make_tunes, tmp_path):
    with pytest.raises(UsageError, match="no domain kazoo; it has whistle, flute, organ"):
        tune_clips.choose(tunes, "whistle", ["kazoo"], split="test", n_clips=2, seconds=1.0)
    unpaired = make_tunes(tmp_path / "unpaired", paired=False)
    with pytest.raises(UsageError, match="does not hold the same tunes in every domain"):
        tune_clips.choose(unpaired, "whistle", ["flute"], split="test", n_clips=2, seconds=1.0)
    empty = make_tunes(tmp_path / "empty", tunes={"train": range(2), "valid": range(2, 4)})
    with pytest.raises(InputError, match="'test' of .* holds no tune in whistle and flute"):
        tune_clips.choose(empty, "whistle", ["flute"], split="test", n_clips=2, seconds=1.0)


def test_tunes_of_several_voices_are_another_choice(tunes, clips):
    piece = tunes.pieces("test")[0]
    duet = replace(piece, notes=((0.0, 0.5, 60, 90), (0.4, 0.5, 55, 90)))
    legato = replace(piece, notes=((0.0, 0.5, 60, 90), (0.4999, 0.5, 55, 90)))
    assert (
        tune_clips.is_of_several(duet) and not tune_clips.is_of_several(legato) and not tune_clips.is_of_several(piece)
    )
    assert not any(clip.several for clip in clips)
    with pytest.raises(InputError, match="no tune of several voices in flute and organ"):
        tune_clips.choose(tunes, "flute", ["organ"], split="test", n_clips=2, seconds=1.0, several=True)
