"""What a decoder expects is its mean, the same whatever the blocks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.expectation import Expectation
from wavecore.models.wavenet import WaveNet, WaveNetConfig

HOP, CHANNELS = 5, 3


@pytest.fixture(scope="module")
def decoder():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = WaveNet(WaveNetConfig(2, 3, 2, 6, 6, 6, 8, latent_channels=CHANNELS, hop_length=HOP))
        decoder.output.weight.data.normal_(std=0.5)
    return decoder.eval()


def sound(n_samples: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, n_samples).astype(np.uint8)
    return codes, rng.standard_normal((-(-n_samples // HOP), CHANNELS)).astype(np.float32)


def test_it_is_the_mean_of_what_could_have_been_drawn(decoder):
    codes, latent = sound(43)
    with torch.inference_mode():
        logits = decoder(torch.from_numpy(codes.astype(np.int64))[None], torch.from_numpy(latent)[None])[0]
    odds = np.exp(logits.double().numpy())
    wanted = (odds / odds.sum(-1, keepdims=True)) @ mulaw.decode(np.arange(256, dtype=np.uint8)).astype(np.float64)
    found = Expectation(decoder).push(codes, latent)
    assert found.dtype == np.float32 and np.abs(found).max() <= 1
    assert np.allclose(found, wanted, atol=1e-5)
    assert np.abs(found - mulaw.decode(codes)).max() > 0.1, "random codes are not what the decoder expects"


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), rest=st.integers(0, HOP - 1))
@settings(deadline=None, max_examples=30)
def test_blocks_change_nothing(decoder, sizes, rest):
    codes, latent = sound(HOP * sum(sizes) + rest)
    whole = Expectation(decoder).push(codes, latent)
    following, parts, frame = Expectation(decoder), [], 0
    for size in sizes:
        end = len(codes) if size is sizes[-1] and frame + size >= sum(sizes) else HOP * (frame + size)
        last = -(-end // HOP)
        parts.append(following.push(codes[HOP * frame : end], latent[frame:last]))
        frame = last
    assert np.allclose(np.concatenate(parts), whole[: sum(map(len, parts))], atol=1e-5)
    assert sum(map(len, parts)) == len(codes)


def test_nothing_is_kept_beyond_what_a_sample_depends_on(decoder):
    following = Expectation(decoder)
    for _ in range(30):
        following.push(*sound(4 * HOP))
    assert len(following._codes) < decoder.config.receptive_field + HOP


def test_nothing_in_is_nothing_out(decoder):
    assert Expectation(decoder).push(*sound(0)).shape == (0,)


def test_what_does_not_fit_is_refused(decoder):
    codes, latent = sound(12)
    with pytest.raises(UsageError, match="do not belong together"):
        Expectation(decoder).push(codes, latent[:2])
    with pytest.raises(UsageError, match="do not belong together"):
        Expectation(decoder).push(codes[None], latent)
    following = Expectation(decoder)
    following.push(codes, latent)
    with pytest.raises(UsageError, match="no multiple of 5"):
        following.push(codes[:5], latent[:1])
