"""Banks of note latents, from which an autoencoder of notes plays scores.

A bank is an .npz file with the latents of one held note at some pitches of every instrument.  A note of any length is
made of it: its attack, its sustain for as long as needed, its release.  Pitches between take their nearest neighbour's
timbre.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavecore.audio import output
from wavecore.checkpoint import LoadedModel
from wavecore.errors import InputError, ModelError

SCHEMA_VERSION = 1
FILE = "bank.npz"
"""Name in a model folder."""
ATTACK_S = 0.2
"""Beginning of a note, which is never stretched."""
SMOOTHING_S = 0.24
"""On either side, over which a sustain is averaged: fluctuations of the one note would recur in every note of a piece,
and a dip in its level would sound like a new onset."""


@dataclass(frozen=True)
class Instrument:
    """Notes of one instrument: its name in the data set, its General MIDI program, pitches and latents."""

    source: str
    program: int | None
    pitches: np.ndarray  # (n,), int64, MIDI note numbers, ascending
    latents: np.ndarray  # (n, F, C), float32, without the pitch


@dataclass(frozen=True)
class Bank:
    """Instruments of one model.

    Attributes
    ----------
    instruments : mapping of str to Instrument
    held_frames : int
        Frames for which every note was held, before its release.
    frame_s : float
        Length of a frame, seconds.
    model_sha256 : str
        Of the weights that encoded the notes.
    origin : str
        Where the notes come from, and their licence.
    """

    instruments: Mapping[str, Instrument]
    held_frames: int
    frame_s: float
    model_sha256: str
    origin: str

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return every instrument's lowest and highest MIDI note number."""
        return {
            name: (float(instrument.pitches[0]), float(instrument.pitches[-1]))
            for name, instrument in self.instruments.items()
        }

    def note(self, name: str, pitch: float, n_frames: int, n_release: int) -> np.ndarray:
        """Make a note of an instrument, held for `n_frames` >= 1, with the timbre of the nearest pitch of the bank.

        After the attack it is smoothed, and stretched if it is longer than the bank's.

        Returns
        -------
        ndarray, shape (n_frames + m, C), float32
            m <= `n_release` frames of release, as far as the bank has them.
        """
        instrument = self.instruments[name]
        latent = instrument.latents[np.abs(instrument.pitches - pitch).argmin()]
        attack = min(self.held_frames - 1, round(ATTACK_S / self.frame_s))
        sustain = _smoothed(latent[attack : self.held_frames], round(SMOOTHING_S / self.frame_s))
        held = np.concatenate([latent[:attack], sustain])
        if n_frames > len(held):
            at = np.concatenate([np.arange(attack), np.linspace(attack, len(held) - 1, n_frames - attack)])
            held = np.stack([np.interp(at, np.arange(len(held)), track) for track in held.T], axis=1)
        release = latent[self.held_frames : self.held_frames + n_release]
        return np.concatenate([held[:n_frames], release]).astype(np.float32)


def _smoothed(tracks: np.ndarray, reach: int) -> np.ndarray:
    """Average each frame, of (n, C), with as many before as after: `reach`, or up to the nearer end, which stays."""
    n = len(tracks)
    at = np.arange(n)
    reach = np.minimum(reach, np.minimum(at, n - 1 - at))
    sums = np.concatenate([np.zeros((1, tracks.shape[1])), np.cumsum(tracks, axis=0, dtype=np.float64)])
    return (sums[at + reach + 1] - sums[at - reach]) / (2 * reach + 1)[:, None]


def save(path: str | os.PathLike[str], bank: Bank, *, overwrite: bool = False) -> None:
    """Write a bank, completely or not at all, with latents in half precision; raise OutputExistsError if it exists."""
    about = {name: getattr(bank, name) for name in ("held_frames", "frame_s", "model_sha256", "origin")}
    sources = {name: {"source": one.source, "program": one.program} for name, one in bank.instruments.items()}
    arrays = {"about": np.array(json.dumps({"schema": SCHEMA_VERSION, **about, "instruments": sources}))}
    for number, instrument in enumerate(bank.instruments.values()):
        arrays[f"pitches{number}"] = instrument.pitches.astype(np.int64)
        arrays[f"latents{number}"] = instrument.latents.astype(np.float16)
    with output.whole_file(path, overwrite=overwrite) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def load(path: str | os.PathLike[str]) -> Bank:
    """Read a bank; raise InputError if the file is missing, no bank, or damaged."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no bank of notes {path}; `wavecore data bank` makes one")
    if not zipfile.is_zipfile(path):  # NumPy's own message would suggest to unpickle it
        raise InputError(f"{path} is no bank of notes: it is no .npz file, or was cut off")
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            if about["schema"] != SCHEMA_VERSION:
                raise InputError(f"{path} has schema {about['schema']}; this wavecore reads {SCHEMA_VERSION}")
            instruments = {}
            for number, (name, of) in enumerate(about["instruments"].items()):
                latents = file[f"latents{number}"].astype(np.float32)
                instruments[name] = Instrument(of["source"], of["program"], file[f"pitches{number}"], latents)
            held_frames, frame_s = int(about["held_frames"]), float(about["frame_s"])
            bank = Bank(instruments, held_frames, frame_s, str(about["model_sha256"]), str(about["origin"]))
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no bank of notes: {error}") from error
    _check(bank, path)
    return bank


def for_model(model: LoadedModel, path: str | os.PathLike[str] | None = None) -> Bank:
    """Read the bank that a model plays with.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``.
    path : path-like, optional
        A file; by default the bank in the model's folder.

    Raises
    ------
    ModelError
        If the model's folder has none.
    InputError
        If the file is missing or damaged, or belongs to other weights, for which its latents mean something else.
    """
    if path is None:
        path = model.path and model.path / FILE  # a model that was never saved has no folder
        if not path or not path.is_file():
            make = f"`wavecore data bank --model {model.path}` makes one"
            raise ModelError(f"{model.name} has no bank of notes to play with ({path}); {make}")
    bank = load(path)
    if bank.model_sha256 != model.sha256:
        made_for, given = bank.model_sha256[:12], f"{model.name} is {model.sha256[:12]}"
        raise InputError(f"{path} belongs to a model {made_for}, and {given}; make it anew: `wavecore data bank`")
    return bank


def _check(bank: Bank, path: Path) -> None:
    """Raise InputError for a bank that cannot be played."""
    if not bank.instruments:
        raise InputError(f"{path} holds no instrument")
    for name, instrument in bank.instruments.items():
        pitches, latents = instrument.pitches, instrument.latents
        fits = latents.ndim == 3 and len(latents) == len(pitches) and latents.shape[1] >= bank.held_frames > 1
        if not len(pitches) or not fits or not np.isfinite(latents).all() or (np.diff(pitches) <= 0).any():
            sizes = f"{len(pitches)} pitches and latents of shape {latents.shape}"
            raise InputError(f"{path} is damaged: {name} has {sizes}")
