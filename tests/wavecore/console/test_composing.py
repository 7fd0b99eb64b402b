"""Flags of ``wavecore compose``."""

import argparse

import pytest

from wavecore.console.composing import tempo


def test_tempos():
    assert tempo("96.5") == 96.5 and tempo("10") == 10 and tempo("400") == 400
    for wrong in ("9.9", "401", "fast", "nan", "-60", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="10 to 400"):
            tempo(wrong)
