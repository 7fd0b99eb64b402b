"""Small data sets: single notes, and tunes that several domains play."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from wavecore.datasets import manifest as manifests
from wavecore.datasets import nsynth_note
from wavecore.datasets.domains import DomainsDataset
from wavecore.datasets.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.notes import CODEC, KIND, NotesDataset, split_folder
from wavecore.datasets.shards import write_shard

from wavecore import tune_clips
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


TUNE_S = 1.5
TIMBRES = {"whistle": (1.0,), "flute": (1.0, 0.3), "organ": (1.0, 0.8, 0.6, 0.5, 0.4), "strings": (1.0, 0.0, 0.6, 0.0, 0.4)}
TUNES = {"train": range(8), "valid": range(8, 10), "test": (10, 11, 11, 12)}
"""Numbers of tunes by split; one is there twice."""


@pytest.fixture(scope="session")
def play_tune():
    """Play the tune of a number, four notes, in a domain; a whistle is an octave higher."""

    def play(domain: str, tune: int) -> np.ndarray:
        t = np.arange(int(TUNE_S * 16_000)) / 16_000
        midi = 60 + np.random.default_rng(tune).permutation(12)[:4] + 12 * (domain == "whistle")
        angle = 2 * np.pi * np.cumsum(440 * 2 ** ((midi[(4 * t / TUNE_S).astype(int)] - 69) / 12)) / 16_000
        return 0.1 * sum(a * np.sin((k + 1) * angle) for k, a in enumerate(TIMBRES[domain]))

    return play


@pytest.fixture(scope="session")
def make_tunes(play_tune):
    """Build a data set of the same tunes in several domains."""

    def make(folder: Path, *, domains=("whistle", "flute", "organ"), paired=True, tunes=TUNES) -> DomainsDataset:
        folder.mkdir()
        shards, pieces, length = {}, [], int(TUNE_S * 16_000)
        for split, numbers in tunes.items():
            for name in domains:
                codes = [mulaw.encode(play_tune(name, tune)) for tune in numbers]
                shards[f"{name}-{split}.npy"] = write_shard(folder / f"{name}-{split}.npy", codes, length * len(numbers))
            for row, tune in enumerate(numbers):
                where = {name: Slice(f"{name}-{split}.npy", row * length, length, int(name == "whistle")) for name in domains}
                pieces.append(Piece(f"{split}{row}", f"tune{tune}", split, "made", "none", TUNE_S, where, ((0.0, TUNE_S, 60, 90),)))
        described = tuple(Domain(name, "recordings", seconds=TUNE_S * len(pieces)) for name in domains)
        manifests.write(folder, Manifest(16_000, paired, described, tuple(pieces), shards))
        return DomainsDataset.open(folder)

    return make


@pytest.fixture(scope="session")
def tunes(make_tunes, tmp_path_factory) -> DomainsDataset:
    """Tunes that a whistle, a flute and an organ play."""
    return make_tunes(tmp_path_factory.mktemp("tunes") / "data")


@pytest.fixture(scope="session")
def clips(tunes) -> list[tune_clips.Clip]:
    """Those held out, from the whistle to the others."""
    return tune_clips.choose(tunes, "whistle", ["flute", "organ"], split="test", n_clips=9, seconds=9.0)
