"""NSynth's Table 1 for our own data: what a classifier hears in originals and in what models make of them.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279, table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import torch

from wavecore.audio import mulaw
from wavecore.checkpoint import LoadedModel
from wavecore.datasets.notes.reader import Note, NotesDataset
from wavecore.errors import UsageError
from wavecore.models.note_classifier.metrics import NoteScores, note_scores
from wavecore.models.nsynth import interpolate
from wavecore.models.spectral import model as spectral_autoencoder

AT_ONCE = 32
REGISTER = 6
"""Semitones of a row of the breakdown."""


def choose(
    dataset: NotesDataset, split: str, n_notes: int, *, pitches: Collection[int] | None = None
) -> tuple[list[Note], np.ndarray]:
    """Choose notes that are spread evenly over a split, and so over its instruments.

    Parameters
    ----------
    n_notes : int
        At most; all of them if there are fewer.
    pitches : collection of int, optional
        MIDI note numbers; others are left out.

    Returns
    -------
    ndarray, shape (n, T), float32
        Their sounds.

    Raises
    ------
    UsageError
        If there is no such split or no such pitch in it, or no note is asked for.
    """
    if n_notes < 1:
        raise UsageError(f"{n_notes} notes cannot be judged; at least 1 is needed")
    every = dataset.notes(split)
    allowed = [row for row, note in enumerate(every) if pitches is None or note.pitch in pitches]
    if not allowed:
        raise UsageError(f"{dataset.path} has no note of MIDI {min(pitches)} to {max(pitches)} in {split}")
    rows = np.array(allowed)[np.unique(np.linspace(0, len(allowed) - 1, min(n_notes, len(allowed))).astype(int))]
    codes = dataset.codes(split)
    return [every[row] for row in rows], np.stack([mulaw.decode(np.array(codes[row])) for row in rows])


def reconstruct_wavenet(
    model: LoadedModel,
    notes: list[Note],
    sounds: np.ndarray,
    *,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
    **options,
) -> np.ndarray:
    """Encode notes and say them again.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``.
    notes : list of Note
        Their pitches are told to a model that wants them.
    sounds : ndarray, shape (n, T), float32
    seed : int
        Of the draws.
    on_progress : callable, optional
        Called with (notes done, notes in all).
    **options
        ``temperature``, ``backend``, ``device``, ``threads`` of ``interpolate.decode``.

    Returns
    -------
    ndarray, shape (n, T), float32
        Each at the level of its original.
    """
    said = []
    told = bool(model.network.config.pitch_channels)
    for begin in range(0, len(sounds), AT_ONCE):
        batch = sounds[begin : begin + AT_ONCE]
        latents = interpolate.encode(model, [_at_model_level(model, sound) for sound in batch])
        pitches = [note.pitch for note in notes[begin : begin + AT_ONCE]] if told else None
        streams = list(range(begin, begin + len(batch)))
        found = interpolate.decode(model, latents, seed=seed, streams=streams, pitches=pitches, **options)
        said += [_like(x[: batch.shape[1]], original) for x, original in zip(found, batch, strict=True)]
        if on_progress is not None:
            on_progress(len(said), len(sounds))
    return np.stack(said)


@torch.inference_mode()
def reconstruct_spectral(model: LoadedModel, notes: list[Note], sounds: np.ndarray, *, seed: int) -> np.ndarray:
    """Send notes through the baseline.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``spectral``.
    notes : list of Note
        Their pitches are told to a model that wants them.
    sounds : ndarray, shape (n, T), float32
    seed : int
        Of the phases that Griffin and Lim's algorithm starts from.

    Returns
    -------
    ndarray, shape (n, T), float32
        Each at the level of its original.
    """
    network, said = model.network, []
    for begin in range(0, len(sounds), AT_ONCE):
        batch = sounds[begin : begin + AT_ONCE]
        images = spectral_autoencoder.to_images(torch.from_numpy(batch), network.config)
        pitches = torch.tensor([note.pitch for note in notes[begin : begin + AT_ONCE]])
        found = network.decode(network.encode(images), pitches if network.config.pitch_channels else None)
        audio = spectral_autoencoder.to_audio(found, network.config, batch.shape[1], seed=seed).numpy()
        said += [_like(x, original) for x, original in zip(audio, batch, strict=True)]
    return np.stack(said)


@torch.inference_mode()
def hear(classifier: LoadedModel, sounds: np.ndarray) -> dict[str, np.ndarray]:
    """Let the classifier listen.

    Parameters
    ----------
    classifier : LoadedModel
        Of kind ``note-classifier``.
    sounds : ndarray, shape (n, T), float32

    Returns
    -------
    dict of str to ndarray, shape (n, classes), float32
        Logits of ``pitch``, ``quality``, ``family`` and ``source``.
    """
    parts: dict[str, list[np.ndarray]] = {"pitch": [], "quality": [], "family": [], "source": []}
    for begin in range(0, len(sounds), AT_ONCE):
        heard = classifier.network(torch.from_numpy(np.ascontiguousarray(sounds[begin : begin + AT_ONCE])))
        for name, found in parts.items():
            found.append(getattr(heard, name).float().numpy())
    return {name: np.concatenate(found) for name, found in parts.items()}


def family_agreement(classifier: LoadedModel, originals: np.ndarray, sounds: np.ndarray) -> float:
    """Tell how often the classifier hears the family in sounds that it hears in their originals, right or wrong.

    Parameters
    ----------
    classifier : LoadedModel
        Of kind ``note-classifier``.
    originals, sounds : ndarray, shape (n, T), float32

    Returns
    -------
    float
        Share of the sounds, 0 to 1.
    """
    first, second = (hear(classifier, x)["family"].argmax(axis=1) for x in (originals, sounds))
    return float((first == second).mean())


def judge(classifier: LoadedModel, notes: list[Note], sounds: np.ndarray) -> NoteScores:
    """Compare what the classifier hears with what is true.

    Parameters
    ----------
    classifier : LoadedModel
        Of kind ``note-classifier``.
    notes : list of Note
        What is true of them.
    sounds : ndarray, shape (n, T), float32

    Raises
    ------
    UsageError
        If the classifier does not know a family or a source.
    """
    config = classifier.network.config
    for name, known in (("instrument_family_str", config.families), ("instrument_source_str", config.sources)):
        strange = {getattr(note, name) for note in notes} - set(known)
        if strange:
            raise UsageError(
                f"the classifier {classifier.name} does not know {sorted(strange)[0]!r}; it knows {', '.join(known)}"
            )
    logits = hear(classifier, sounds)
    return note_scores(
        pitch=(logits["pitch"], np.array([note.pitch for note in notes])),
        quality=(logits["quality"], np.array([note.qualities for note in notes], dtype=int)),
        family=(logits["family"], np.array([config.families.index(note.instrument_family_str) for note in notes])),
        source=(logits["source"], np.array([config.sources.index(note.instrument_source_str) for note in notes])),
    )


def breakdown(classifier: LoadedModel, notes: list[Note], originals: np.ndarray, sounds: np.ndarray) -> dict[str, dict]:
    """Tell where pitches and families are kept and where they are lost.

    Parameters
    ----------
    classifier : LoadedModel
        Of kind ``note-classifier``.
    originals, sounds : ndarray, shape (n, T), float32

    Returns
    -------
    dict
        ``registers`` by half octaves (``"MIDI 48-53"``) and ``families``, in order; of each ``n_notes``,
        ``pitch_accuracy``, and ``family_agreement`` as the function of that name has it.
    """
    heard, before = hear(classifier, sounds), hear(classifier, originals)
    right = heard["pitch"].argmax(axis=1) == np.array([note.pitch for note in notes])
    same = heard["family"].argmax(axis=1) == before["family"].argmax(axis=1)
    labels = {
        "registers": [note.pitch // REGISTER * REGISTER for note in notes],
        "families": [note.instrument_family_str for note in notes],
    }
    found: dict[str, dict] = {}
    for kind, values in labels.items():
        found[kind] = {}
        for value in sorted(set(values)):
            rows = [i for i, each in enumerate(values) if each == value]
            name = value if kind == "families" else f"MIDI {value}-{value + REGISTER - 1}"
            scores = {"pitch_accuracy": float(right[rows].mean()), "family_agreement": float(same[rows].mean())}
            found[kind][name] = {"n_notes": len(rows)} | scores
    return found


def summary(scores: NoteScores) -> dict:
    """Reduce scores to a row of the table."""
    return {
        "pitch_accuracy": scores.pitch_accuracy,
        "quality_f1": scores.quality.f1,
        "quality_accuracy": scores.quality.accuracy,
        "family_accuracy": scores.family_accuracy,
        "source_accuracy": scores.source_accuracy,
        "n_notes": scores.n_notes,
    }


def _at_model_level(model: LoadedModel, sound: np.ndarray) -> np.ndarray:
    present = interpolate.loud_db(sound)
    return interpolate.level(sound, interpolate.model_level(model, present)) if np.isfinite(present) else sound


def _like(sound: np.ndarray, original: np.ndarray) -> np.ndarray:
    """A sound at the level of another."""
    wanted = interpolate.loud_db(original)
    return interpolate.level(sound, wanted) if np.isfinite(wanted) else np.asarray(sound, np.float32)
