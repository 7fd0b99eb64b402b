"""Melodies that are generated while a network trains, and how well they are followed."""

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.models.translation import transfer
from wavecore.models.translation.samples import held_out_passage


def test_what_follows_the_input_follows_it_wholly_and_noise_does_not(speaking_network, dataset, monkeypatch):
    found = transfer.measure_transfer(speaking_network, dataset, n_passages=2, seconds=0.5)
    assert set(found) == {"valid/transfer/flute", "valid/transfer/organ"}
    assert max(found.values()) < 0.5, "random weights follow nothing"

    def echo(generator, latent):
        """In place of the kernels: what was heard, which the second of two draws is."""
        del generator
        sounds = [
            held_out_passage(speaking_network, dataset, "organ", 50, np.random.default_rng((1, 1, row)))[0]
            for row in range(2)
        ]
        yield np.stack([mulaw.encode(sound) for sound in sounds])

    monkeypatch.setattr(transfer, "generate_blocks", echo)
    assert (
        transfer.measure_transfer(speaking_network, dataset, n_passages=2, seconds=0.5)["valid/transfer/organ"] == 1.0
    )


def test_the_same_at_every_call(speaking_network, dataset):
    first, again = (transfer.measure_transfer(speaking_network, dataset, n_passages=1, seconds=0.4) for _ in range(2))
    assert first == again


def test_decoders_that_are_held_elsewhere_are_left_out(speaking_network, dataset):
    speaking_network.hold(["organ"])
    assert set(transfer.measure_transfer(speaking_network, dataset, n_passages=1, seconds=0.4)) == {
        "valid/transfer/organ"
    }


def test_the_error_is_what_is_missed_or_the_bits():
    assert transfer.error({"valid/bits": 3.5}) == 3.5
    assert transfer.error({"valid/bits": 3.5, "valid/transfer/a": 0.9, "valid/transfer/b": 0.7}) == pytest.approx(0.2)
