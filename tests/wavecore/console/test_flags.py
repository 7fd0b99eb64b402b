import argparse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.console import flags
from wavecore.console.flags import Command, Parser
from wavecore.errors import UsageError


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "", "18446744073709551616", "٣"])
def test_seeds_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="whole number"):
        flags.seed(text)


def test_seeds():
    assert flags.seed("0") == 0
    assert flags.seed("18446744073709551615") == 2**64 - 1


@pytest.mark.parametrize("text", ["-0.1", "nan", "inf", "warm"])
def test_temperatures_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="at least 0"):
        flags.temperature(text)


def test_temperatures():
    assert flags.temperature("0") == 0 and flags.temperature("0.8") == 0.8


@pytest.mark.parametrize("text", ["0", "-3", "2.0", "many", ""])
def test_counts_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="at least 1"):
        flags.count(text)


def test_counts():
    assert flags.count("12") == 12


@pytest.mark.parametrize("text", ["-1", "1.5", "many", "", "٣"])
def test_counts_that_may_be_0_and_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="at least 0"):
        flags.count_or_none(text)


def test_counts_that_may_be_0():
    assert [flags.count_or_none(text) for text in ("0", "7", "015")] == [0, 7, 15]


def test_names_are_split_stripped_and_kept_once():
    assert flags.names("strings, organ,strings,,") == ["strings", "organ"]
    with pytest.raises(argparse.ArgumentTypeError):
        flags.names(" , ")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text("abcdefgh", min_size=1), min_size=1, unique=True))
def test_names_undoes_join(found):
    assert flags.names(",".join(found)) == found


def make_parser() -> Parser:
    def configure(parser):
        parser.add_argument("inputs", nargs="+")
        parser.add_argument("--octave", type=int)

    return Parser("wavecore x", Command("do a thing", "wavecore x a.wav", configure, lambda args, console: None))


def test_flags_and_inputs_may_be_mixed():
    args = make_parser().parse(["a.wav", "--octave", "-1", "b.wav", "-q"])
    assert (args.inputs, args.octave, args.quiet, args.json) == (["a.wav", "b.wav"], -1, True, False)


@pytest.mark.parametrize("words", [[], ["a.wav", "--octave", "high"], ["a.wav", "--octve", "1"]])
def test_wrong_arguments_raise_and_point_to_the_help(words):
    with pytest.raises(UsageError, match="wavecore x -h"):
        make_parser().parse(words)


def test_the_help_has_summary_and_example():
    text = make_parser().format_help()
    assert "Do a thing." in text and "examples:\n  wavecore x a.wav" in text


@pytest.mark.parametrize("text", ["0", "1", "0.25", "1e-3"])
def test_shares_are_numbers_from_0_to_1(text):
    assert flags.share(text) == float(text)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan", "half", ""])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="0 to 1"):
        flags.share(text)
