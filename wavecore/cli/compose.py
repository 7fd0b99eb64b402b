"""``wavecore compose``: symbolic music, written as MIDI."""

from __future__ import annotations

from wavecore.models.coconet.commands import compose as compose_coconet
from wavecore.models.gan.commands import compose as compose_gan
from wavecore.models.lstm.commands import compose as compose_lstm
from wavecore.models.musegan.commands import compose as compose_musegan
from wavecore.models.musenet.commands import compose as compose_musenet

COMMANDS = {
    "coconet": compose_coconet.COMMAND,
    "lstm": compose_lstm.COMMAND,
    "gan": compose_gan.COMMAND,
    "musegan": compose_musegan.COMMAND,
    "musenet": compose_musenet.COMMAND,
}
