"""``wavecore compose`` lists its composers, and those that are shipped write."""

import pytest

from wavecore import checkpoint
from wavecore.cli import compose
from wavecore.symbolic import midi

SHIPPED = {
    "coconet": ("--bars", "2", "--steps", "6"),
    "lstm": ("--bars", "2"),
    "gan": ("--bars", "2"),
    "musegan": ("--bars", "2"),
    "musenet": ("--bars", "2", "--composer", "bach"),
}


def test_the_composers_are_listed(cli):
    done = cli("compose", "-h")
    assert done.code == 0 and all(name in done.out for name in compose.COMMANDS)
    assert cli("compose", "mozart", "-o", "x.mid").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("composer", SHIPPED)
def test_a_shipped_composer_writes_and_its_seed_decides_what(cli, composer, tmp_path):
    found = {}
    for name, seed in (("one", "1"), ("again", "1"), ("other", "2")):
        done = cli("compose", composer, *SHIPPED[composer], "--seed", seed, "-o", tmp_path / f"{name}.mid")
        assert done.code == 0, done.err
        found[name] = midi.read(tmp_path / f"{name}.mid")
    notes = {name: [part.events for part in song.parts] for name, song in found.items()}
    assert notes["one"] == notes["again"] != notes["other"]
    assert sum(map(len, notes["one"])) >= 4 and 2 < found["one"].duration_s < 10


def test_the_shipped_composers_are_small():
    sizes = {name: (checkpoint.PRETRAINED / name / checkpoint.WEIGHTS).stat().st_size for name in checkpoint.shipped()}
    composers = [
        size
        for name, size in sizes.items()
        if checkpoint.read_card(checkpoint.PRETRAINED / name)["kind"] in compose.COMMANDS
    ]
    assert len(composers) >= len(SHIPPED) and sum(composers) <= 25e6
