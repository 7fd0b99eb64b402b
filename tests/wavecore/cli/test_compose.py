"""``wavecore compose`` lists its composers."""

from wavecore.cli import compose


def test_the_composers_are_listed(cli):
    done = cli("compose", "-h")
    assert done.code == 0 and all(name in done.out for name in compose.COMMANDS)
    assert cli("compose", "mozart", "-o", "x.mid").code == 2
