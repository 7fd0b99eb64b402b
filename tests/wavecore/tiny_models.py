"""One tiny network and training task for every kind of model, built from small made data in under a second.

``CASES`` maps the kinds of ``wavecore.registry`` to functions of a folder, in which data are made, that return
(network, task).  The contract over all kinds (``test_contract.py``) runs on them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.datasets.chorales import write as write_chorales
from wavecore.datasets.songs import Piece, write_songs
from wavecore.symbolic.note_sequence import NoteLine
from wavecore.symbolic.song import Event, Part, Song

Case = Callable[[Path], tuple[Any, Any]]


def coconet(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.coconet.config import CoconetConfig, CoconetTrainingConfig
    from wavecore.models.coconet.train import CoconetTask

    rng = np.random.default_rng(0)
    grids = {split: [rng.integers(45, 75, (20, 4)) for _ in range(3)] for split in ("train", "valid", "test")}
    dataset = write_chorales(grids, folder, source="", licence="")
    training = CoconetTrainingConfig(steps=6, batch_size=2, crop_steps=8, validate_every=3, checkpoint_every=2)
    task = CoconetTask(dataset, CoconetConfig(n_layers=5, channels=6, dilations=(1, 2)), training)
    return task.build(), task


def write_tunes(folder: Path) -> Any:
    """Write songs of three tunes of 20 notes in each split."""
    rng = np.random.default_rng(0)

    def piece(name: str) -> Piece:
        symbols, durations = map(str, rng.integers(58, 72, 20)), rng.choice([1, 2, 4], 20).tolist()
        return Piece(NoteLine(tuple(symbols), tuple(durations)).to_song(name=name), "made")

    splits = ("train", "valid", "test")
    return write_songs(folder, {split: [piece(f"{split}{row}") for row in range(3)] for split in splits})


def lstm(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.lstm.config import LSTMConfig, LSTMTrainingConfig
    from wavecore.models.lstm.train import LSTMTask

    symbols = ("rest", *map(str, range(56, 75)))
    config = LSTMConfig(symbols, (1, 2, 4), embedding=8, hidden=16, n_layers=1, window=8)
    training = LSTMTrainingConfig(steps=6, batch_size=4, crop_notes=6, validate_every=3, checkpoint_every=2)
    task = LSTMTask(write_tunes(folder), config, training)
    return task.build(), task


def gan(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.gan.config import GANConfig, GANTrainingConfig
    from wavecore.models.gan.train import GANTask

    widths = {"latent": 6, "generator": (16, 24), "discriminator": (8,), "hidden": 7}
    config = GANConfig(length=8, **widths, instance_noise=0.2, lowest=55, highest=79, durations=(1, 2, 4))
    training = GANTrainingConfig(steps=6, batch_size=4, validate_every=3, checkpoint_every=2)
    task = GANTask(write_tunes(folder), config, training)
    return task.build(), task


def musegan(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.musegan.config import MuseGANConfig, MuseGANTrainingConfig
    from wavecore.models.musegan.rolls import Track
    from wavecore.models.musegan.train import MuseGANTask

    tracks = (Track("high"), Track("low"), Track("kit", 0, True))
    sizes = {"steps": 8, "lowest": 48, "n_pitches": 24, "noise": 4, "channels": 8, "critic_channels": 4}
    training = MuseGANTrainingConfig(steps=6, batch_size=2, validate_every=3, checkpoint_every=2)
    config = MuseGANConfig(tracks, **sizes, neurons="bernoulli")
    task = MuseGANTask(write_bands(folder), config, training)
    return task.build(), task


def write_bands(folder: Path) -> Any:
    """Write songs of three pieces of six bars in each split: a note a bar, one an octave below, and a stroke."""
    rng = np.random.default_rng(0)

    def piece(name: str) -> Piece:
        pitches = rng.choice([62, 64, 66], 6).tolist()
        high = Part(tuple(Event(8 * bar, pitch, 3) for bar, pitch in enumerate(pitches)), "high")
        low = Part(tuple(Event(8 * bar, pitch - 12, 6) for bar, pitch in enumerate(pitches)), "low")
        kit = Part(tuple(Event(8 * bar + 4, 50, 1) for bar in range(6)), "kit", 0, True)
        return Piece(Song(2, (high, low, kit), name=name), "made")

    splits = ("train", "valid", "test")
    return write_songs(folder, {split: [piece(f"{split}{row}") for row in range(3)] for split in splits})


CASES: dict[str, Case] = {"coconet": coconet, "lstm": lstm, "gan": gan, "musegan": musegan}
