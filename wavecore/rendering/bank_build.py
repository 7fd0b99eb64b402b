"""Construction of a bank: notes of a data set are encoded, and those that the model does not play in tune left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from wavecore.audio import mulaw, note_level, pitch
from wavecore.checkpoint import LoadedModel
from wavecore.datasets.notes.qualities import HELD_S
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import InputError, UsageError
from wavecore.rendering import mixer, nsynth
from wavecore.rendering.bank import Bank, Instrument
from wavecore.rendering.casting import Line
from wavecore.symbolic.score import Note, Score

DEFAULT_LEVEL_DB = -20.0
BATCH = 16
CHECKED_S = 1.2
"""Length of the notes that are played for ``pitch_accuracy``."""
MARGINS_S = 0.1, 0.05
"""At the beginning and the end of a note, left out of the measurement."""
SEMITONES = 0.5
MIN_ACCURACY = 0.95
MAX_HOLE = 1
"""Consecutive inaccurate notes that are bridged.  Nothing is kept below a wider hole: no timbre is in tune there."""
TRIES = 2
FRAME_RATE_HZ = 100.0
LOWEST_HZ, HIGHEST_HZ = 27.0, 4400.0
"""The keys of a piano, and a little more."""


@dataclass(frozen=True)
class Source:
    """An instrument of the data set (``flute_acoustic_073``), and the General MIDI program it is to play, 0 to 127."""

    name: str
    program: int | None = None

    def __post_init__(self):
        if self.program is not None and not 0 <= self.program <= 127:
            raise UsageError(f"the program of {self.name} is {self.program}; programs are 0 to 127")


def make(
    model: LoadedModel,
    dataset: NotesDataset,
    sources: Mapping[str, Source],
    *,
    every: int = 4,
    velocity: int = 100,
    origin: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> Bank:
    """Encode notes of a data set.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``, with the pitch in its latent.
    dataset : NotesDataset
        Its notes are held for three seconds, as NSynth's are.
    sources : mapping of str to Source
        By the instruments' names in the bank.
    every : int
        Semitones between the notes, at least 1.
    velocity : int
        Of each pitch the note of the nearest velocity is taken.
    origin : str
        Where the notes come from, and their licence.
    on_progress : callable, optional
        Called with (instruments done, instruments in all).

    Raises
    ------
    UsageError
        If there are no sources, `every` is less than 1, or the model's latent has no pitch.
    InputError
        If the data set lacks an instrument, or is at another rate than the model.
    """
    encoder = model.network.config.encoder
    if not sources or every < 1:
        raise UsageError(f"{len(sources)} instruments, a note every {every} semitones; both must be at least 1")
    nsynth.require_pitch(model)
    if dataset.sample_rate != encoder.sample_rate:
        raise InputError(f"{dataset.path} is at {dataset.sample_rate} Hz, {model.name} at {encoder.sample_rate} Hz")
    instruments = {}
    for number, (name, source) in enumerate(sources.items(), 1):
        instruments[name] = _instrument(model, dataset, source, every, velocity)
        if on_progress is not None:
            on_progress(number, len(sources))
    held_frames = round(HELD_S * encoder.sample_rate / encoder.hop_length)
    frame_s = encoder.hop_length / encoder.sample_rate
    return Bank(instruments, held_frames, frame_s, model.sha256, origin or str(dataset.manifest.get("source", "")))


def _instrument(model: LoadedModel, dataset: NotesDataset, source: Source, every: int, velocity: int) -> Instrument:
    """Encode the notes of one instrument."""
    rows = {}  # by pitch: split, row, velocity
    for split in dataset.splits:
        for row, note in enumerate(dataset.notes(split)):
            if note.instrument_str == source.name:
                kept = rows.get(note.pitch)
                if kept is None or abs(note.velocity - velocity) < abs(kept[2] - velocity):
                    rows[note.pitch] = (split, row, note.velocity)
    if not rows:
        known = sorted({note.instrument_str for split in dataset.splits for note in dataset.notes(split)})
        raise InputError(f"{dataset.path} has no instrument {source.name!r}; it has {', '.join(known)}")
    lowest, highest = min(rows), max(rows)
    # The highest as well, since no note above it could lend its timbre.
    pitches = [pitch for pitch in sorted(rows) if (pitch - lowest) % every == 0 or pitch == highest]
    level_db = model.level_db(DEFAULT_LEVEL_DB)
    sounds = [
        note_level.level(mulaw.decode(np.array(dataset.codes(split)[row])), level_db)
        for split, row, _ in (rows[pitch] for pitch in pitches)
    ]
    latents = []
    with torch.inference_mode():
        for begin in range(0, len(sounds), BATCH):
            batch = torch.from_numpy(np.stack(sounds[begin : begin + BATCH]))
            midi = torch.tensor(pitches[begin : begin + BATCH], dtype=torch.float32)[:, None]
            latents.append(model.network.encode(batch, midi)[..., :-1].numpy())
    return Instrument(source.name, source.program, np.array(pitches, np.int64), np.concatenate(latents))


def pitch_accuracy(
    model: LoadedModel,
    bank: Bank,
    *,
    temperature: float,
    backend: str = "auto",
    device: str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """Play every note of a bank alone, by the bank's own model, and measure for how much of its time it has its pitch.

    Returns
    -------
    dict of str to ndarray, shape (n,), float64
        Shares of time, for every note of an instrument the worst of ``TRIES`` seeds.
    """
    rate = model.network.config.decoder.sample_rate
    accuracies = {}
    for number, (name, instrument) in enumerate(bank.instruments.items(), 1):
        midi = instrument.pitches.tolist()
        lines = [Line("", name, Score((Note(0.0, CHECKED_S, note),)), 0, 0.0) for note in midi]
        tries = []
        for seed in range(TRIES):
            options = {"seed": seed, "temperature": temperature, "backend": backend, "device": device}
            sections = nsynth.sections(model, bank, lines, **options)
            blocks = mixer.play(sections, round(CHECKED_S * rate), sample_rate=rate, draws=False)
            sounds = np.concatenate(list(blocks), axis=1)
            tries.append([_time_in_tune(sound, note, rate) for sound, note in zip(sounds, midi, strict=True)])
        accuracies[name] = np.min(tries, axis=0)
        if on_progress is not None:
            on_progress(number, len(bank.instruments))
    return accuracies


def keep_accurate(bank: Bank, accuracies: Mapping[str, np.ndarray], *, least: float = MIN_ACCURACY) -> Bank:
    """Leave out notes of an accuracy below `least`, 0 to 1, and those below a wide hole.

    An instrument without accurate notes keeps all.  Raise UsageError if `least` is out of range, or an instrument has
    not an accuracy for each note, as ``pitch_accuracy`` returns them.
    """
    if not 0 <= least <= 1:
        raise UsageError(f"the least accuracy is {least}; it lies between 0 and 1")
    instruments = {}
    for name, instrument in bank.instruments.items():
        n_notes, n_known = len(instrument.pitches), len(accuracies.get(name, ()))
        if n_known != n_notes:
            raise UsageError(f"{name} has {n_notes} notes and {n_known} accuracies")
        kept = _above_holes(accuracies[name] >= least)
        if not kept.any():
            kept[:] = True
        instruments[name] = replace(instrument, pitches=instrument.pitches[kept], latents=instrument.latents[kept])
    return replace(bank, instruments=instruments)


def _above_holes(kept: np.ndarray) -> np.ndarray:
    """Keep the notes, of a mask (n,), between which and the highest there is no wide hole."""
    indices = np.flatnonzero(kept)
    wide = np.flatnonzero(np.diff(indices) > MAX_HOLE + 1)
    connected = np.zeros_like(kept)
    connected[indices[wide[-1] + 1 :] if len(wide) else indices] = True
    return connected


def _time_in_tune(sound: np.ndarray, midi: int, sample_rate: int) -> float:
    """Return the share of a note's time in which it has its pitch."""
    track = pitch.track_f0(
        sound, sample_rate=sample_rate, fmin_hz=LOWEST_HZ, fmax_hz=HIGHEST_HZ, frame_rate_hz=FRAME_RATE_HZ
    )
    judged = (track.times_s >= MARGINS_S[0]) & (track.times_s < CHECKED_S - MARGINS_S[1])
    f0_hz = np.where(track.voiced, track.f0_hz, np.inf)[judged]
    return float(np.mean(np.abs(12 * np.log2(f0_hz / pitch.midi_to_hz(float(midi)))) <= SEMITONES))
