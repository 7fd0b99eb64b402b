import os
import signal
import subprocess
import sys

import pytest

from wavecore.cli import main as main_module
from wavecore.cli.main import VERBS, main
from wavecore.console.flags import Command
from wavecore.errors import InputError

PYTHON = [sys.executable, "-P", "-m", "wavecore.cli.main"]


def run_process(*words, **options):
    return subprocess.run([*PYTHON, *map(str, words)], capture_output=True, text=True, timeout=300, **options)


@pytest.fixture
def verb(monkeypatch):
    """Let `wavecore doctor` do something else."""

    def install(function):
        command = Command("a test", "wavecore doctor", lambda parser: None, lambda args, console: function(console))
        monkeypatch.setattr("wavecore.cli.doctor.COMMANDS", {"": command})

    return install


def test_no_verb_prints_the_overview(cli):
    for words in ([], ["-h"], ["--help"]):
        done = cli(*words)
        assert done.code == 0 and done.err == ""
        assert all(verb in done.out for verb in VERBS) and "exit codes" in done.out


def test_version(cli):
    done = cli("--version")
    assert done.code == 0 and done.out.startswith("wavecore 0.")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["translte"], "did you mean translate?"),
        (["models", "lst"], "did you mean list?"),
        (["train", "translatoin"], "translation"),
    ],
)
def test_a_wrong_verb_gets_a_near_miss(cli, words, meant):
    done = cli(*words)
    assert done.code == 2 and done.out == ""
    assert done.err.startswith("wavecore: error: there is no `wavecore") and meant in done.err


def test_a_flag_before_the_verb_is_explained(cli):
    done = cli("--json", "doctor")
    assert done.code == 2 and "before the verb" in done.err


def test_a_wrong_flag_gets_a_near_miss(cli, tmp_path):
    done = cli("translate", tmp_path, "--to", "all", "--sede", "1")
    assert done.code == 2 and "--sede" in done.err and "did you mean --seed?" in done.err


def test_flags_are_not_abbreviated(cli, tmp_path):
    assert "--overwr" in cli("translate", tmp_path, "--to", "all", "--overwr").err


@pytest.mark.parametrize(
    "words",
    [[v] for v in VERBS]
    + [["models", n] for n in ("list", "info", "verify")]
    + [["train", "translation"], ["data", "domains"]],
)
def test_every_help_has_an_example(cli, words):
    done = cli(*words, "-h")
    assert done.code == 0 and done.err == ""
    assert f"wavecore {words[0]}" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("words", [["translate"], ["train", "translation"], ["data", "domains"], ["demo"], ["doctor"]])
def test_help_loads_nothing_heavy(words):
    script = (
        "import sys; from wavecore.cli.main import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'numba', 'librosa', 'matplotlib', 'soundfile', 'numpy'} & set(sys.modules); "
        "print('heavy:', sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, *words, "-h"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and done.stdout.rstrip().endswith("heavy: []"), done.stdout + done.stderr


def test_an_error_becomes_a_line_and_a_code(cli, verb):
    def fail(console):
        raise InputError("x.wav is silent")

    verb(fail)
    done = cli("doctor")
    assert (done.code, done.out, done.err) == (3, "", "wavecore: error: x.wav is silent\n")


def test_the_traceback_is_for_verbose(cli, verb):
    def fail(console):
        raise ZeroDivisionError("division by zero")

    verb(fail)
    done = cli("doctor")
    assert done.code == 1 and "Traceback" not in done.err and "defect" in done.err
    done = cli("doctor", "-v")
    assert (
        done.code == 1 and "Traceback" in done.err and done.err.rstrip().splitlines()[-1].startswith("wavecore: error:")
    )


def test_interrupted(cli, verb):
    def interrupt(console):
        raise KeyboardInterrupt

    verb(interrupt)
    assert cli("doctor").code == 130


def test_sigterm_unwinds_the_stack(cli, verb):
    cleaned = []

    def wait(console):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append(True)

    before = signal.getsignal(signal.SIGTERM)
    verb(wait)
    done = cli("doctor")
    assert done.code == 143 and done.err == "wavecore: error: terminated\n" and cleaned == [True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_warnings_of_libraries_are_for_verbose(cli, verb, recwarn):
    def warn(console):
        import warnings

        warnings.warn("deprecated", FutureWarning, stacklevel=1)

    verb(warn)
    assert cli("doctor").err == ""
    assert not recwarn.list


def test_a_reader_that_goes_away_leaves_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PYTHON, "--version"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300)
    os.close(writer)
    assert done.returncode == main_module.PIPE_CLOSED and done.stderr == ""


def test_the_process_exits_with_the_code():
    done = run_process("nonsense")
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


def test_main_takes_the_words_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["wavecore", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("wavecore ")
