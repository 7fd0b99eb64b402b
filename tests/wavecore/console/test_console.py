import json
import math
from pathlib import Path

import pytest

from wavecore.console.console import Console, Estimate, duration, plain, plural


def test_results_go_to_stdout_and_everything_else_to_stderr(capsys):
    console = Console()
    console.result("result")
    console.say("note")
    console.warn("careful")
    console.error("broken")
    console.document({"a": 1})
    out, err = capsys.readouterr()
    assert out == "result\n"
    assert err == "note\nwavecore: warning: careful\nwavecore: error: broken\n"


def test_quiet_leaves_results_warnings_and_errors(capsys):
    console = Console(quiet=True)
    console.say("note")
    console.warn("careful")
    console.error("broken")
    console.result("result")
    out, err = capsys.readouterr()
    assert out == "result\n" and "note" not in err and "careful" in err and "broken" in err


@pytest.mark.parametrize("json", [False, True])
def test_mute_leaves_warnings_and_errors(capsys, json):
    console = Console(json=json, mute=True)
    console.say("note")
    console.result("result")
    console.document({"a": 1})
    console.warn("careful")
    console.error("broken")
    out, err = capsys.readouterr()
    assert out == "" and err == "wavecore: warning: careful\nwavecore: error: broken\n"


def test_json_is_the_only_thing_on_stdout(capsys):
    console = Console(json=True)
    console.result("result")
    console.document({"peak_db": -math.inf, "path": Path("a") / "b", "pairs": ({"x": math.nan},)})
    out, _ = capsys.readouterr()
    assert json.loads(out) == {"peak_db": None, "path": "a/b", "pairs": [{"x": None}]}


def test_plural():
    assert [plural(n, "file") for n in (0, 1, 2_000)] == ["0 files", "1 file", "2,000 files"]


def test_plain_leaves_plain_values_alone():
    value = {"a": [1, 2.5, None, True, "text"], "b": {"c": []}}
    assert plain(value) == value


def test_no_bar_off_a_terminal(capsys):
    with Console().progress("working", unit="samples") as show:
        show(1, 10)
        Console().postfix("ignored")
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr("wavecore.console.console.is_terminal", lambda stream: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_bar_on_a_terminal_counts_and_makes_room_for_notes(terminal, capsys):
    console = Console()
    with console.progress("working", unit="samples") as show:
        show(3, 10)
        console.postfix("3.2 bits")
        console.say("a note")
        show(10, 10)
    out, err = capsys.readouterr()
    assert out == "" and "working" in err and "a note\n" in err and "3.2 bits" in err


def test_a_quiet_console_shows_no_bar(terminal, capsys):
    with Console(quiet=True).progress("working", unit="samples") as show:
        show(3, 10)
    assert capsys.readouterr() == ("", "")


def test_colour_on_a_terminal_unless_refused(terminal, monkeypatch):
    assert Console().paint("ok", "green") == "\x1b[32mok\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Console().paint("ok", "green") == "ok"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert Console().paint("ok", "green") == "ok"


def test_no_colour_off_a_terminal():
    assert Console().paint("ok", "green") == "ok"


def test_the_estimate_is_told_once_and_leaves_the_first_report_out(capsys):
    times = iter([100.0, 100.5, 102.0, 110.0])  # the first report came after a long compilation
    estimate = Estimate(Console(), total=100_000, sample_rate=16_000, clock=lambda: next(times))
    for done in (4_000, 8_000, 20_000, 30_000):
        estimate.update(done)
    _, err = capsys.readouterr()
    assert err == "about 10 s to go: 8,000 samples/s, 0.50 x real time over all targets\n"


def test_no_estimate_where_nothing_was_measured(capsys):
    times = iter([0.0, 5.0])
    estimate = Estimate(Console(), total=10, sample_rate=16_000, clock=lambda: next(times))
    estimate.update(5)
    estimate.update(5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
