"""One tiny network and training task for every kind of model, built from small made data in under a second.

``CASES`` maps the kinds of ``wavecore.registry`` to functions of a folder, in which data are made, that return
(network, task).  The contract over all kinds (``test_contract.py``) runs on them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.audio import mulaw
from wavecore.datasets.chorales import write as write_chorales
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Slice
from wavecore.datasets.domains.manifest import Piece as DomainsPiece
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.domains.shards import write_shard
from wavecore.datasets.notes.reader import CODEC, KIND, NotesDataset, split_folder
from wavecore.datasets.nsynth import note as nsynth_note
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


NOTE_PITCHES = {"train": (57, 60, 64, 67, 72), "valid": (59, 62, 69), "test": (65,)}
NOTE_INSTRUMENTS = (("flute", "acoustic", 1), ("organ", "electronic", 5))
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
    pitches: Mapping[str, Sequence[int]] = NOTE_PITCHES,
    n_samples: int = 8_000,
    sample_rate: int = 16_000,
) -> NotesDataset:
    """Write and open a data set: every pitch of a split with both instruments; the organ is bright."""
    folder.mkdir(parents=True)
    splits, number = {}, 0
    for split, midi in pitches.items():
        entries, sounds = {}, {}
        for instrument, (family, source, harmonics) in enumerate(NOTE_INSTRUMENTS):
            for pitch in midi:
                qualities = (int(family == "organ"), *[0] * 9)
                note = nsynth_note.make(
                    note=number,
                    instrument=instrument,
                    number=instrument,
                    family=family,
                    source=source,
                    pitch=pitch,
                    velocity=100,
                    qualities=qualities,
                    sample_rate=sample_rate,
                )
                number += 1
                entries[note.note_str] = note.document()
                sounds[note.note_str] = mulaw.encode(make_sound(pitch, harmonics, n_samples, sample_rate))
        where = folder / split_folder(split)
        where.mkdir()
        (where / "examples.json").write_text(json.dumps({name: entries[name] for name in sorted(entries)}))
        np.save(where / "codes.npy", np.stack([sounds[name] for name in sorted(sounds)]))
        splits[split] = {"notes": len(entries), "codes_sha256": f"of {split}"}
    document = {"schema": 1, "kind": KIND, "codec": CODEC, "sample_rate": sample_rate, "n_samples": n_samples}
    document |= {"source": "made by a test", "splits": splits, "settings": {}}
    (folder / "manifest.json").write_text(json.dumps(document))
    return NotesDataset.open(folder)


def nsynth(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.nsynth.config import NSynthConfig, NSynthTrainingConfig
    from wavecore.models.nsynth.train import NSynthTask
    from wavecore.nn.config import EncoderConfig, WaveNetConfig

    encoder = EncoderConfig("waveform", 3, 160, channels=4, dilation_cycles=1, layers_per_cycle=3)
    decoder = WaveNetConfig(1, 3, 2, 8, 8, 8, 8, latent_channels=5, hop_length=160)
    training = NSynthTrainingConfig(
        steps=6, batch_size=2, crop_frames=2, validation_crops=1, validate_every=3, checkpoint_every=2
    )
    task = NSynthTask(write_notes(folder, n_samples=1_600), NSynthConfig(encoder, decoder, 2), training)
    return task.build(), task


def spectral(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.spectral.config import SpectralConfig, SpectralTrainingConfig
    from wavecore.models.spectral.train import SpectralTask

    config = SpectralConfig(base_channels=1, latent_channels=2, pitch_channels=2)
    training = SpectralTrainingConfig(steps=4, batch_size=2, validation_crops=1, validate_every=2, checkpoint_every=2)
    task = SpectralTask(write_notes(folder, n_samples=1_600), config, training)
    return task.build(), task


def note_classifier(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.note_classifier.config import ClassifierTrainingConfig, NoteClassifierConfig
    from wavecore.models.note_classifier.train import ClassifierTask

    config = NoteClassifierConfig(n_samples=3_200, channels=4)
    training = ClassifierTrainingConfig(steps=6, batch_size=2, validate_every=3, checkpoint_every=2)
    task = ClassifierTask(write_notes(folder, n_samples=3_200), config, training)
    return task.build(), task


def musenet(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.musenet.config import MuseNetConfig, MuseNetTrainingConfig
    from wavecore.models.musenet.train import MuseNetTask

    patterns = {"patterns": ("dense", "strided"), "block": 4}
    config = MuseNetConfig(n_layers=2, channels=16, n_heads=2, context=24, styles=("made",), **patterns)
    training = MuseNetTrainingConfig(steps=6, batch_size=2, validation_windows=2, validate_every=3, checkpoint_every=2)
    task = MuseNetTask(write_tunes(folder), config, training)
    return task.build(), task


TONE_RATE, TONE_S = 16_000, 1.0
TONE_HARMONICS = {"whistle": 1, "flute": 2, "organ": 5}
TONES = {"train": (60, 62, 64, 65, 67), "valid": (66, 69), "test": (63,)}


def make_tone(midi: float, harmonics: int) -> np.ndarray:
    """A steady tone of a second with partials of 1 / k, (T,) float32."""
    angle = 2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * np.arange(int(TONE_S * TONE_RATE)) / TONE_RATE
    return sum(0.2 / k * np.sin(k * angle) for k in range(1, harmonics + 1)).astype(np.float32)


def write_tones(folder: Path) -> DomainsDataset:
    """Write and open a data set: one tone a piece, in three domains; the whistle sounds an octave higher."""
    folder.mkdir(parents=True)
    length, shards, pieces = int(TONE_S * TONE_RATE), {}, []
    for split, pitches in TONES.items():
        for name, harmonics in TONE_HARMONICS.items():
            codes = [mulaw.encode(make_tone(midi + 12 * (name == "whistle"), harmonics)) for midi in pitches]
            shards[f"{name}-{split}.npy"] = write_shard(folder / f"{name}-{split}.npy", codes, length * len(codes))
        for row, midi in enumerate(pitches):
            where = {
                name: Slice(f"{name}-{split}.npy", row * length, length, int(name == "whistle"))
                for name in TONE_HARMONICS
            }
            notes, name = ((0.0, TONE_S, midi, 90),), f"{split}{row}"
            pieces.append(DomainsPiece(name, name, split, "made", "none", TONE_S, where, notes))
    domains = tuple(Domain(name, "recordings", seconds=TONE_S * len(pieces)) for name in TONE_HARMONICS)
    manifests.write(folder, Manifest(TONE_RATE, True, domains, tuple(pieces), shards))
    return DomainsDataset.open(folder)


def translation_config() -> Any:
    """A network of a few thousand weights on the domains of ``write_tones``."""
    from wavecore.models.translation.config import TranslationConfig
    from wavecore.nn.config import EncoderConfig, WaveNetConfig

    encoder = EncoderConfig("cqt", 4, 160, channels=8, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 5, 2, 8, 8, 8, 16, latent_channels=4, hop_length=160)
    return TranslationConfig(tuple(TONE_HARMONICS), ("flute", "organ"), encoder, decoder, classifier_channels=8)


def translation(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.translation.config import TranslationTrainingConfig
    from wavecore.models.translation.train import TranslationTask

    training = TranslationTrainingConfig(
        steps=6,
        batch_size=2,
        crop_frames=4,
        paired_probability=0.5,
        confusion_crops=2,
        latent_noise=0.1,
        validation_crops=1,
        validate_every=3,
        checkpoint_every=2,
    )
    task = TranslationTask(write_tones(folder), translation_config(), training)
    return task.build(), task


CASES: dict[str, Case] = {
    "translation": translation,
    "coconet": coconet,
    "lstm": lstm,
    "gan": gan,
    "musegan": musegan,
    "musenet": musenet,
    "nsynth": nsynth,
    "spectral": spectral,
    "note-classifier": note_classifier,
}
