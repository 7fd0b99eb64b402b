"""Parallel generation of lines."""

from os import cpu_count

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.audio.dc import OffsetFilter
from wavecore.nn.sampling import predicted_mean
from wavecore.rendering import mixer
from wavecore.rendering.casting import Line
from wavecore.rendering.mixer import Section, play

RATE = 16_000


class Echo:
    """A generator whose samples are its conditioning; it follows the interface without a network."""

    def __init__(self):
        self.waiting, self.largest = None, 0

    @property
    def available(self):
        return 0 if self.waiting is None else self.waiting.shape[1]

    def feed(self, latent):
        self.waiting = latent[..., 0]

    def generate(self, n, *, logits=False):
        samples, self.waiting = self.waiting[:, :n], self.waiting[:, n:]
        self.largest = max(self.largest, samples.size)
        codes = mulaw.encode(samples)
        # Almost certain, so that the mean is the sample.
        return (codes, 100.0 * (np.arange(256) == codes[..., None]).astype(np.float32)) if logits else codes


def section(indices, octave, sound, block=700):
    blocks = (sound[:, begin : begin + block, None].astype(np.float32) for begin in range(0, sound.shape[1], block))
    return Section(tuple(indices), octave, Echo(), blocks)


def tones(n, *hz):
    return 0.5 * np.sin(2 * np.pi * np.array(hz)[:, None] * np.arange(n) / RATE)


@pytest.mark.slow
@pytest.mark.parametrize("draws", [True, False])
def test_lines_keep_their_indices_and_times(draws):
    sound = tones(20_000, 100, 200, 300)
    sections = [section((2, 0), 0, sound[[2, 0]]), section((1,), 0, sound[[1]], block=111)]
    blocks = list(play(sections, 17_001, sample_rate=RATE, draws=draws))
    assert [block.shape for block in blocks] == [(3, 16_000), (3, 1001)]
    expected = OffsetFilter(3, RATE).push(mulaw.decode(mulaw.encode(sound[:, :17_001].astype(np.float32))))
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), expected, atol=1e-6)


def test_without_draws_samples_are_means():
    (block,) = play([section((0,), 0, tones(500, 440))], 300, sample_rate=RATE, draws=False)
    generator = Echo()
    generator.feed(tones(500, 440)[..., None].astype(np.float32))
    means = predicted_mean(generator.generate(300, logits=True)[1])
    np.testing.assert_array_equal(block, OffsetFilter(1, RATE).push(means))


@pytest.mark.parametrize("octave", [0, 1, -1])
def test_dc_offset_is_removed(octave):
    sound = tones(40_000, 440, 300) / 2 + [[0.4], [0.0]]
    (block,) = play([section((0, 1), octave, sound)], 16_000, sample_rate=RATE, draws=True)
    assert np.abs(block[:, 4000:].mean(axis=1)).max() < 2e-3 and np.abs(block[:, 4000:]).max() < 0.3


@pytest.mark.parametrize(("octave", "slowed_hz"), [(1, 220), (2, 110), (-1, 880)])
def test_octaves_are_slowed_down(octave, slowed_hz):
    (block,) = play([section((0,), octave, tones(70_000, 440))], 16_000, sample_rate=RATE, draws=True)
    spectrum = np.abs(np.fft.rfft(block[0] * np.hanning(16_000)))
    assert np.argmax(spectrum) == pytest.approx(slowed_hz, abs=1)
    late = np.concatenate([np.zeros((1, 3000)), tones(70_000, 440)], axis=1)
    (block,) = play([section((0,), octave, late)], 16_000, sample_rate=RATE, draws=True)
    assert np.flatnonzero(np.abs(block[0]) > 0.1)[0] == pytest.approx(3000 * 2.0**octave, abs=100)


def test_memory_is_bounded_over_all_streams(monkeypatch):
    monkeypatch.setattr(mixer, "LOGITS_SAMPLES", 90)
    one = section((0, 1, 2), 0, tones(2000, 100, 200, 300))
    (block,) = play([one], 1000, sample_rate=RATE, draws=True)
    assert block.shape == (3, 1000) and one.generator.largest == 90


@pytest.mark.parametrize(
    ("by_instrument", "groups"),
    [(True, {("a", 0): (0, 2), ("b", 0): (1,), ("a", 1): (3,)}), (False, {("", 0): (0, 1, 2), ("", 1): (3,)})],
)
def test_sections_share_the_cores(monkeypatch, by_instrument, groups):
    opened = []
    monkeypatch.setattr(mixer, "open_generator", lambda *state, **options: opened.append(options) or options)
    lines = [Line("", name, None, octave, 0.0) for name, octave in (("a", 0), ("b", 0), ("a", 0), ("a", 1))]
    sections = mixer.open_sections(
        lines, None, lambda name: name, iter, by_instrument=by_instrument, seed=1, temperature=1.0
    )
    assert [(one.indices, one.octave) for one in sections] == [(i, octave) for (_, octave), i in groups.items()]
    assert {options["threads"] for options in opened} == {max(1, (cpu_count() or 1) // len(groups))}
    assert [tuple(options["streams"]) for options in opened] == list(groups.values())
