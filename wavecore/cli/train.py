"""``wavecore train``: the training of every kind of model."""

from __future__ import annotations

from functools import partial

from wavecore.console.flags import LazyCommands
from wavecore.registry import KINDS

COMMANDS = LazyCommands({name: partial(kind.load, "train") for name, kind in KINDS.items()})
