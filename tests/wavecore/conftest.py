"""A small data set of single notes, written in the layout of ``wavecore.datasets.notes``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from wavecore.datasets import nsynth_note
from wavecore.datasets.notes import CODEC, KIND, NotesDataset, split_folder

from wavecore.audio import mulaw

PITCHES = {"train": (57, 60, 64, 67, 72), "valid": (59, 62, 69), "test": (65,)}
INSTRUMENTS = (("flute", "acoustic", 1), ("organ", "electronic", 5))
"""Family, source and number of harmonics."""


def make_sound(pitch: int, harmonics: int, n_samples: int, sample_rate: int) -> np.ndarray:
    """A decaying tone that sounds from its first sample on, with a little noise of its own, (T,) float32."""
    t = np.arange(n_samples) / sample_rate
    f0_hz = 440 * 2 ** ((pitch - 69) / 12)
    tone = sum(0.3 / k * np.cos(2 * np.pi * k * f0_hz * t) for k in range(1, harmonics + 1))
    noise = np.random.default_rng((pitch, harmonics)).standard_normal(n_samples)
    return (np.exp(-2 * t) * tone + 0.01 * noise).astype(np.float32)


def write_notes(
    folder: Path,
    *,
    pitches: Mapping[str, Sequence[int]] = PITCHES,
    n_samples: int = 8_000,
    sample_rate: int = 16_000,
) -> NotesDataset:
    """Write and open a data set: every pitch of a split with both instruments; the organ is bright."""
    folder.mkdir(parents=True)
    splits, number = {}, 0
    for split, midi in pitches.items():
        entries, sounds = {}, {}
        for instrument, (family, source, harmonics) in enumerate(INSTRUMENTS):
            for pitch in midi:
                qualities = (int(family == "organ"), *[0] * 9)
                note = nsynth_note.make(
                    note=number, instrument=instrument, number=instrument, family=family, source=source, pitch=pitch,
                    velocity=100, qualities=qualities, sample_rate=sample_rate,
                )  # fmt: skip
                number += 1
                entries[note.note_str] = note.document()
                sounds[note.note_str] = mulaw.encode(make_sound(pitch, harmonics, n_samples, sample_rate))
        where = folder / split_folder(split)
        where.mkdir()
        (where / "examples.json").write_text(json.dumps({name: entries[name] for name in sorted(entries)}))
        np.save(where / "codes.npy", np.stack([sounds[name] for name in sorted(sounds)]))
        splits[split] = {"notes": len(entries), "codes_sha256": f"of {split}"}
    document = {
        "schema": 1, "kind": KIND, "codec": CODEC, "sample_rate": sample_rate, "n_samples": n_samples,
        "source": "made by a test", "splits": splits, "settings": {},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(document))
    return NotesDataset.open(folder)


@pytest.fixture(scope="session")
def make_notes():
    """The function that writes notes with other pitches, lengths or rates."""
    return write_notes


@pytest.fixture(scope="session")
def notes(tmp_path_factory) -> NotesDataset:
    """Notes of half a second by a flute and an organ."""
    return write_notes(tmp_path_factory.mktemp("data") / "notes")
