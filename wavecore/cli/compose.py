"""``wavecore compose``: symbolic music, written as MIDI."""

from __future__ import annotations

from wavecore.cli import compose_coconet, compose_gan, compose_lstm, compose_musegan, compose_musenet

COMMANDS = {"coconet": compose_coconet.COMMAND, "lstm": compose_lstm.COMMAND, "gan": compose_gan.COMMAND, "musegan": compose_musegan.COMMAND, "musenet": compose_musenet.COMMAND}
