"""``wavecore evaluate``: the measures of this project's cards and tables."""

from __future__ import annotations

from functools import partial

from wavecore import registry
from wavecore.console.flags import LazyCommands

PLACES = {
    "translation": "wavecore.models.translation.commands.evaluate:COMMAND",
    "symbolic": "wavecore.cli.evaluate_symbolic:COMMAND",
    "nsynth": "wavecore.models.nsynth.commands.evaluate:COMMAND",
}

COMMANDS = LazyCommands({name: partial(registry.load, place) for name, place in PLACES.items()})
