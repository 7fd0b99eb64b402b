"""``wavecore evaluate``: its table of commands."""

from wavecore.cli.evaluate import COMMANDS


def test_every_evaluation_is_found_and_explains_itself(cli):
    assert set(COMMANDS) == {"translation", "symbolic", "nsynth"}
    overview = cli("evaluate")
    for name, command in COMMANDS.items():
        assert command.summary in overview.out and cli("evaluate", name, "-h").code == 0
