"""Streams brought to one time."""

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.audio.dc import OffsetFilter
from wavecore.nn.sampling import predicted_mean
from wavecore.rendering import mixer as ensemble
from wavecore.rendering.mixer import Section, play

RATE = 16_000


class Counting:
    """A generator that says what it is told, sample by sample; it keeps to the interface and draws nothing."""

    def __init__(self):
        self.waiting, self.largest = None, 0

    @property
    def available(self):
        return 0 if self.waiting is None else self.waiting.shape[1]

    def feed(self, latent):
        self.waiting = latent[..., 0]

    def generate(self, n, *, logits=False):
        said, self.waiting = self.waiting[:, :n], self.waiting[:, n:]
        self.largest = max(self.largest, said.size)
        codes = mulaw.encode(said)
        # All but certain: what is expected is what is drawn.
        return (codes, 100.0 * (np.arange(256) == codes[..., None]).astype(np.float32)) if logits else codes


def section(places, octave, sound, block=700):
    told = (sound[:, begin : begin + block, None].astype(np.float32) for begin in range(0, sound.shape[1], block))
    return Section(tuple(places), octave, Counting(), told)


def tones(n, *hz):
    return 0.5 * np.sin(2 * np.pi * np.array(hz)[:, None] * np.arange(n) / RATE)


@pytest.mark.parametrize("draws", [True, False])
def test_lines_come_back_at_their_places_at_one_time(draws):
    sound = tones(20_000, 100, 200, 300)
    sections = [section((2, 0), 0, sound[[2, 0]]), section((1,), 0, sound[[1]], block=111)]
    blocks = list(play(sections, 17_001, sample_rate=RATE, draws=draws))
    assert [block.shape for block in blocks] == [(3, 16_000), (3, 1001)]
    wanted = OffsetFilter(3, RATE).push(mulaw.decode(mulaw.encode(sound[:, :17_001].astype(np.float32))))
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), wanted, atol=1e-6)


def test_what_is_expected_is_the_mean_of_the_logits():
    (block,) = play([section((0,), 0, tones(500, 440))], 300, sample_rate=RATE, draws=False)
    codes, logits = Counting(), tones(500, 440)
    codes.feed(logits[..., None].astype(np.float32))
    np.testing.assert_array_equal(
        block, OffsetFilter(1, RATE).push(predicted_mean(codes.generate(300, logits=True)[1]))
    )


@pytest.mark.parametrize("octave", [0, 1, -1])
def test_an_offset_on_which_a_decoder_stands_is_taken_away(octave):
    (block,) = play(
        [section((0, 1), octave, tones(40_000, 440, 300) / 2 + [[0.4], [0.0]])], 16_000, sample_rate=RATE, draws=True
    )
    assert np.abs(block[:, 4000:].mean(axis=1)).max() < 2e-3 and np.abs(block[:, 4000:]).max() < 0.3


@pytest.mark.parametrize(("octave", "heard_hz"), [(1, 220), (2, 110), (-1, 880)])
def test_what_is_played_faster_is_slowed_down(octave, heard_hz):
    (block,) = play([section((0,), octave, tones(70_000, 440))], 16_000, sample_rate=RATE, draws=True)
    spectrum = np.abs(np.fft.rfft(block[0] * np.hanning(16_000)))
    assert np.argmax(spectrum) == pytest.approx(heard_hz, abs=1)
    # In time as well: a tone that begins where it is silent at first.
    late = np.concatenate([np.zeros((1, 8000)), tones(8000, 440)], axis=1)
    late = np.concatenate([late, np.zeros((1, 70_000))], axis=1)
    (block,) = play([section((0,), octave, late)], 16_000, sample_rate=RATE, draws=True)
    begins = np.flatnonzero(np.abs(block[0]) > 0.1)
    if octave == 1:
        assert not len(begins) or begins[0] >= 15_950
    elif octave == -1:
        assert begins[0] == pytest.approx(4000, abs=20)


def test_memory_is_bounded_by_the_streams_together(monkeypatch):
    monkeypatch.setattr(ensemble, "LOGITS_SAMPLES", 90)
    one = section((0, 1, 2), 0, tones(2000, 100, 200, 300))
    (block,) = play([one], 1000, sample_rate=RATE, draws=True)
    assert block.shape == (3, 1000) and one.generator.largest == 90


def test_cores_are_shared():
    from os import cpu_count

    assert ensemble.threads_for(0) == ensemble.threads_for(1) == (cpu_count() or 1)
    assert ensemble.threads_for(10_000) == 1
