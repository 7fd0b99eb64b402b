"""``wavecore train``: one command for every kind of model, loaded when it is asked for."""

import subprocess
import sys

from wavecore import registry
from wavecore.cli.train import COMMANDS


def test_every_kind_can_be_trained(cli):
    assert list(COMMANDS) == list(registry.KINDS)
    overview = cli("train", "-h").out
    assert all(f"  {kind} " in overview for kind in registry.KINDS)


def test_a_kind_that_is_not_there_is_named_with_a_near_one(cli):
    done = cli("train", "coconut")
    assert done.code == 2 and "coconut" in done.err and "coconet" in done.err


def test_a_command_loads_its_own_system_only():
    code = "import sys; from wavecore.cli.train import COMMANDS; COMMANDS['gan']; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[2] for name in done.stdout.split() if name.startswith("wavecore.models.")}
    assert rooms <= {"gan", "base", "melody_evaluation"}
