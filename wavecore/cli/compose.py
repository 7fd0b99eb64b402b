"""``wavecore compose``: symbolic music, written as MIDI, by every kind of model that composes."""

from __future__ import annotations

from functools import partial

from wavecore.console.flags import LazyCommands
from wavecore.registry import KINDS

COMMANDS = LazyCommands({name: partial(kind.load, "compose") for name, kind in KINDS.items() if kind.compose})
