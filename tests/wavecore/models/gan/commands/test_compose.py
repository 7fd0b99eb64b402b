"""``wavecore compose gan`` from start to end, and what it refuses."""

import json

import pytest
import torch

from wavecore import checkpoint
from wavecore.models.gan.config import PRESETS
from wavecore.models.gan.model import GAN
from wavecore.symbolic import midi


@pytest.fixture(scope="module", params=["tiny", "mogren-tiny"])
def model(tmp_path_factory, request):
    """The folder of a GAN of random weights: what is tested here is what is asked of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = GAN(PRESETS[request.param])
    folder = tmp_path_factory.mktemp("models") / "dreamer"
    checkpoint.save(network, folder)
    return folder


@pytest.fixture
def compose(cli, model):
    return lambda *words: cli("compose", "gan", "--model", model, "--device", "cpu", *words)


def test_as_long_as_asked_and_the_same_for_a_seed(compose, tmp_path):
    for name in ("a", "b"):
        done = compose("--bars", "9", "--seed", "3", "--tempo", "80", "-o", tmp_path / f"{name}.mid")
        assert done.code == 0 and "9 bars" in done.out, done.err
    first, second = (midi.read(tmp_path / f"{name}.mid") for name in ("a", "b"))
    assert first.parts == second.parts and 8 * 4 * 480 < first.end <= 9 * 4 * 480
    assert first.tempos[0].beats_per_minute == pytest.approx(80, rel=1e-4)
    found = json.loads(compose("--seed", "4", "--json", "-o", tmp_path / "c.mid").out)
    assert (found["model"], found["seed"], found["bars"]) == ("dreamer", 4, 16)
    assert midi.read(tmp_path / "c.mid").parts != first.parts


def test_in_a_scale(compose, tmp_path):
    assert compose("--scale", "D-major", "--seed", "1", "-o", tmp_path / "d.mid").code == 0
    assert {event.pitch % 12 for event in midi.read(tmp_path / "d.mid").parts[0].events} <= {2, 4, 6, 7, 9, 11, 1}


def test_what_is_refused(compose, tmp_path):
    out = tmp_path / "out.mid"
    for words, code, message in (
        (["--scale", "h-major"], 2, "no scale 'h-major'"), (["--bars", "x"], 2, "whole number"), (["--tempo", "0"], 2, "10 to 400"),
        (["--model", tmp_path / "none"], 4, "no model"),
    ):  # fmt: skip
        done = compose(*words, "-o", out)
        assert done.code == code and message in done.err, (words, done.err)
    out.write_bytes(b"")
    assert (
        compose("-o", out).code == 6
        and compose("--skip-existing", "-o", out).code == 0
        and compose("--overwrite", "-o", out).code == 0
    )
