"""NSynth's Table 1 for any notes: what a note classifier detects in originals and in their reconstructions.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279, table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import torch

from wavecore.audio import mulaw, note_level
from wavecore.checkpoint import LoadedModel
from wavecore.datasets.notes.reader import Note, NotesDataset
from wavecore.errors import UsageError
from wavecore.models.note_classifier.evaluate import HEADS, NoteScores, note_scores
from wavecore.models.nsynth import sample
from wavecore.models.spectral import model as spectral_autoencoder

BATCH = 32
REGISTER = 6
"""Semitones of a row of the breakdown."""


def choose(
    dataset: NotesDataset, split: str, n_notes: int, *, pitches: Collection[int] | None = None
) -> tuple[list[Note], np.ndarray]:
    """Return ``n_notes`` notes at most, spread evenly over a split and its instruments, and their sounds, (n, T).

    Only those of ``pitches``, MIDI note numbers, if given.  Raises UsageError if there are none.
    """
    notes = dataset.notes(split)
    allowed = [row for row, note in enumerate(notes) if pitches is None or note.pitch in pitches]
    if not allowed:
        raise UsageError(f"{dataset.path} has no note of MIDI {min(pitches)} to {max(pitches)} in {split}")
    rows = np.array(allowed)[np.unique(np.linspace(0, len(allowed) - 1, min(n_notes, len(allowed))).astype(int))]
    codes = dataset.codes(split)
    return [notes[row] for row in rows], np.stack([mulaw.decode(np.array(codes[row])) for row in rows])


def reconstruct_wavenet(
    model: LoadedModel,
    notes: list[Note],
    sounds: np.ndarray,
    *,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
    **options,
) -> np.ndarray:
    """Encode and decode notes, (n, T), with an nsynth model; each keeps the level of its original.

    ``on_progress`` is called with (notes done, notes in all); ``options`` are those of ``sample.decode``.
    """
    config, reconstructed = model.network.config, []
    for begin in range(0, len(sounds), BATCH):
        batch = sounds[begin : begin + BATCH]
        levels_db = [model.level_db(note_level.loud_db(sound)) for sound in batch]
        latents = sample.encode(model.network, [_level(x, db) for x, db in zip(batch, levels_db, strict=True)])
        pitches = [note.pitch for note in notes[begin : begin + BATCH]] if config.pitch_channels else None
        streams = list(range(begin, begin + len(batch)))
        decoded = sample.decode(model.network, latents, seed=seed, streams=streams, pitches=pitches, **options)
        reconstructed += _at_level_of(batch, decoded[:, : batch.shape[1]])
        if on_progress is not None:
            on_progress(len(reconstructed), len(sounds))
    return np.stack(reconstructed)


def reconstruct_spectral(model: LoadedModel, notes: list[Note], sounds: np.ndarray, *, seed: int) -> np.ndarray:
    """Encode and decode notes, (n, T), with a spectral model; each keeps the level of its original."""
    network, reconstructed = model.network, []
    for begin in range(0, len(sounds), BATCH):
        batch = sounds[begin : begin + BATCH]
        pitches = torch.tensor([note.pitch for note in notes[begin : begin + BATCH]])
        pitches = pitches if network.config.pitch_channels else None
        audio = spectral_autoencoder.reconstruct(network, torch.from_numpy(batch), pitches, seed=seed)
        reconstructed += _at_level_of(batch, audio.numpy())
    return np.stack(reconstructed)


@torch.inference_mode()
def classify(classifier: LoadedModel, sounds: np.ndarray) -> dict[str, np.ndarray]:
    """Return the logits of sounds, (n, T): of ``pitch``, ``family``, ``source`` and ``quality``, (n, classes) each."""
    batches = [
        classifier.network(torch.from_numpy(np.ascontiguousarray(sounds[begin : begin + BATCH])))
        for begin in range(0, len(sounds), BATCH)
    ]
    return {name: np.concatenate([getattr(batch, name).float().numpy() for batch in batches]) for name in HEADS}


def family_agreement(originals: dict[str, np.ndarray], logits: dict[str, np.ndarray]) -> float:
    """Return the share of sounds in which the same family is detected as in their originals, right or wrong."""
    return float((originals["family"].argmax(axis=1) == logits["family"].argmax(axis=1)).mean())


def score(classifier: LoadedModel, notes: list[Note], logits: dict[str, np.ndarray]) -> NoteScores:
    """Compare the classifier's logits with the notes; raise UsageError if it lacks a family or a source of them."""
    config = classifier.network.config
    for name, known in (("instrument_family_str", config.families), ("instrument_source_str", config.sources)):
        unknown = sorted({getattr(note, name) for note in notes} - set(known))
        if unknown:
            raise UsageError(f"the classifier {classifier.name} does not know {unknown[0]!r}, only {', '.join(known)}")
    truth = {
        "pitch": [note.pitch for note in notes],
        "family": [config.families.index(note.instrument_family_str) for note in notes],
        "source": [config.sources.index(note.instrument_source_str) for note in notes],
        "quality": [note.qualities for note in notes],
    }
    return note_scores(logits, {name: np.array(values, dtype=int) for name, values in truth.items()})


def breakdown(
    notes: list[Note], originals: dict[str, np.ndarray], logits: dict[str, np.ndarray]
) -> dict[str, dict[str, dict]]:
    """Return note counts, pitch accuracy and family agreement by half octaves (``registers``) and by ``families``.

    ``originals`` and ``logits``, of the reconstructions, are as ``classify`` returns them.
    """
    right = logits["pitch"].argmax(axis=1) == np.array([note.pitch for note in notes])
    same = logits["family"].argmax(axis=1) == originals["family"].argmax(axis=1)
    registers = [note.pitch // REGISTER * REGISTER for note in notes]
    families = [note.instrument_family_str for note in notes]

    def scores(labels: list, label: int | str) -> dict:
        rows = [row for row, other in enumerate(labels) if other == label]
        shares = {"pitch_accuracy": float(right[rows].mean()), "family_agreement": float(same[rows].mean())}
        return {"n_notes": len(rows)} | shares

    return {
        "registers": {f"MIDI {low}-{low + REGISTER - 1}": scores(registers, low) for low in sorted(set(registers))},
        "families": {family: scores(families, family) for family in sorted(set(families))},
    }


def _at_level_of(originals: np.ndarray, sounds: np.ndarray) -> list[np.ndarray]:
    return [_level(x, note_level.loud_db(original)) for x, original in zip(sounds, originals, strict=True)]


def _level(sound: np.ndarray, level_db: float) -> np.ndarray:
    return note_level.level(sound, level_db) if np.isfinite(level_db) else np.asarray(sound, np.float32)
