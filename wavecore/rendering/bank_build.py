"""Making a bank: held notes of a data set, heard by an autoencoder of notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from wavecore.audio import mulaw, note_level
from wavecore.checkpoint import LoadedModel
from wavecore.datasets.notes.qualities import HELD_S
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import InputError, UsageError
from wavecore.models.nsynth.interpolate import model_level
from wavecore.rendering.bank import Bank, Instrument

DEFAULT_LEVEL_DB = -20.0
BATCH = 16


@dataclass(frozen=True)
class Wanted:
    """An instrument that is to be in a bank.

    Attributes
    ----------
    source : str
        Its name in the data, as ``flute_acoustic_073``.
    program : int or None
        The General MIDI program that it is to play, 0 to 127.
    """

    source: str
    program: int | None = None

    def __post_init__(self):
        if self.program is not None and not 0 <= self.program <= 127:
            raise UsageError(f"the program of {self.source} is {self.program}; programs run from 0 to 127")


def make(
    model: LoadedModel,
    dataset: NotesDataset,
    wanted: Mapping[str, Wanted],
    *,
    every: int = 4,
    velocity: int = 100,
    origin: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> Bank:
    """Encode notes.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``, whose latent holds the pitch.
    dataset : NotesDataset
        Its notes are held for three seconds, as NSynth's are.
    wanted : mapping of str to Wanted
        By the names that people choose.
    every : int
        Semitones between the notes that are taken, at least 1.
    velocity : int
        Of the notes; the nearest one that an instrument has.
    origin : str
        Where the notes come from, and their licence.
    on_progress : callable, optional
        Called with (instruments done, instruments in all).

    Raises
    ------
    UsageError
        If nothing is wanted, `every` is less than 1, or the model's latent holds no pitch.
    InputError
        If the data have no such instrument, or are at another rate than the model.
    """
    encoder = model.network.config.encoder
    if not wanted or every < 1:
        raise UsageError(f"{len(wanted)} instruments, a note every {every} semitones; at least one of both is needed")
    if not model.network.config.harmonics:
        raise UsageError(
            f"{model.name} has no pitch in its latent: notes between those of a bank could not be played; train one with --harmonics"
        )
    if dataset.sample_rate != encoder.sample_rate:
        raise InputError(f"{dataset.path} is at {dataset.sample_rate} Hz, {model.name} at {encoder.sample_rate} Hz")
    instruments = {}
    for number, (name, one) in enumerate(wanted.items()):
        instruments[name] = _instrument(model, dataset, one, every, velocity)
        if on_progress is not None:
            on_progress(number + 1, len(wanted))
    return Bank(
        instruments, round(HELD_S * encoder.sample_rate / encoder.hop_length), encoder.hop_length / encoder.sample_rate, model.sha256,
        origin or str(dataset.manifest.get("source", "")),
    )  # fmt: skip


def _instrument(model: LoadedModel, dataset: NotesDataset, wanted: Wanted, every: int, velocity: int) -> Instrument:
    places = {}
    for split in dataset.splits:
        for row, note in enumerate(dataset.notes(split)):
            if note.instrument_str == wanted.source:
                kept = places.get(note.pitch)
                if kept is None or abs(note.velocity - velocity) < abs(kept[2] - velocity):
                    places[note.pitch] = (split, row, note.velocity)
    if not places:
        known = sorted({note.instrument_str for split in dataset.splits for note in dataset.notes(split)})
        raise InputError(f"{dataset.path} has no instrument {wanted.source!r}; it has {', '.join(known)}")
    there = sorted(places)
    # The highest as well: beyond the last one a note has nobody near.
    pitches = [*[pitch for pitch in there if (pitch - there[0]) % every == 0 and pitch != there[-1]], there[-1]]
    level_db = model_level(model, DEFAULT_LEVEL_DB)
    sounds = [
        note_level.level(mulaw.decode(np.array(dataset.codes(split)[row])), level_db)
        for split, row, _ in (places[pitch] for pitch in pitches)
    ]
    latents = []
    with torch.inference_mode():
        for begin in range(0, len(sounds), BATCH):
            heard = torch.from_numpy(np.stack(sounds[begin : begin + BATCH]))
            midi = torch.tensor(pitches[begin : begin + BATCH], dtype=torch.float32)[:, None]
            latents.append(model.network.encode(heard, midi)[..., :-1].numpy())
    return Instrument(wanted.source, wanted.program, np.array(pitches, np.int64), np.concatenate(latents))
