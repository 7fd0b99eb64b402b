"""A sound through encoder and decoders: windows, memory, targets, and what is written of each distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wavecore
from wavecore.errors import UsageError
from wavecore.models.translation import sample


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=8),
    hop_length=st.integers(1, 40),
    context_frames=st.integers(0, 4),
)
def test_windows_cover_the_sound_with_its_context(sizes, hop_length, context_frames):
    x = np.arange(1, sum(sizes) + 1, dtype=np.float32)
    blocks = iter(np.split(x, np.cumsum(sizes)[:-1]))
    windows = list(sample.frame_windows(blocks, hop_length=hop_length, context_frames=context_frames))
    margin = context_frames * hop_length
    inner = np.concatenate([window[margin : len(window) - margin] for window in windows])
    n_frames = -(-len(x) // hop_length)
    assert np.array_equal(inner, np.pad(x, (0, n_frames * hop_length - len(x))))
    padded = np.pad(x, (margin, margin + n_frames * hop_length - len(x)))
    position = 0
    for window in windows:
        assert np.array_equal(window, padded[position : position + len(window)])
        position += len(window) - 2 * margin


def test_memory_keeps_blocks_and_their_peak():
    memory = sample.Memory()
    with memory:
        memory.write(np.array([0.5, -0.75], np.float32))
        memory.write(np.array([0.25], np.float32))
    assert memory.peak == 0.75 and memory.samples().tolist() == [0.5, -0.75, 0.25]


def test_a_target_that_the_model_does_not_generate_is_named(model):
    loaded = wavecore.load(model)
    sample.require_target(loaded, "organ")
    with pytest.raises(UsageError, match="whistle.*strings, organ"):
        sample.require_target(loaded, "whistle")


def test_draws_and_means_have_the_same_length_and_range(model):
    loaded, codes = wavecore.load(model), []
    options = sample.Options(seed=3, temperature=0.0)
    latent = np.random.default_rng(0).standard_normal((1, 2, 16)).astype(np.float32)
    for draws in (True, False):
        voice = sample.open_voice(loaded, "organ", options, device="cpu")
        voice.feed(latent)
        codes.append(sample.generate(voice, 600, draws=draws))
    assert codes[0].shape == codes[1].shape == (600,) and codes[0].dtype == codes[1].dtype == np.float32
    assert np.abs(np.concatenate(codes)).max() <= 1
