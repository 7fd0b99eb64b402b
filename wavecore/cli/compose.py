"""``wavecore compose``: symbolic music, written as MIDI."""

from __future__ import annotations

from wavecore.cli import compose_coconet

COMMANDS = {"coconet": compose_coconet.COMMAND}
