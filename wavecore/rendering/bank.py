"""Note latents of instruments: what an autoencoder of notes needs to play a score.

A bank is an .npz file: for every instrument some pitches, and for each of them the latent of one held
note.  A note of any length is made of it: the attack as it is, the sustain for as long as it takes,
the release as it is.  The pitches between are their neighbour's timbre at a pitch of their own.
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
"""Of a model folder."""
ATTACK_S = 0.2
"""Of a note, which is never stretched."""
STEADY_S = 0.24
"""On either side, over which a sustain is averaged: what wavers in one held note would waver in the same way in every note of a piece, and
where its level dips one hears it struck anew."""


@dataclass(frozen=True)
class Instrument:
    """Notes of one instrument.

    Attributes
    ----------
    source : str
        The instrument in the data that the notes were taken from.
    program : int or None
        The General MIDI program that it plays, 0 to 127.
    pitches : ndarray, shape (n,), int64
        MIDI note numbers, ascending.
    latents : ndarray, shape (n, F, C), float32
        Without the pitch.
    """

    source: str
    program: int | None
    pitches: np.ndarray
    latents: np.ndarray


@dataclass(frozen=True)
class Bank:
    """Instruments of one model.

    Attributes
    ----------
    instruments : mapping of str to Instrument
        By the name that a person chooses.
    held_frames : int
        For which every note was held; what follows is its release.
    frame_s : float
        Length of a frame, seconds.
    model_sha256 : str
        Of the weights whose latents they are.
    origin : str
        Where the notes come from, and their licence.
    """

    instruments: Mapping[str, Instrument]
    held_frames: int
    frame_s: float
    model_sha256: str
    origin: str

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Say which notes the instruments know.

        Returns
        -------
        dict of str to (float, float)
            MIDI note numbers.
        """
        return {name: (float(found.pitches[0]), float(found.pitches[-1])) for name, found in self.instruments.items()}

    def note(self, name: str, pitch: float, n_frames: int, n_release: int) -> np.ndarray:
        """Make a note of any length.

        Parameters
        ----------
        name : str
            Of an instrument.
        pitch : float
            MIDI note number; the nearest note that there is gives the timbre.
        n_frames : int
            For which it is held, at least 1.
        n_release : int
            For which it is heard afterwards, at most; not longer than the instrument's release.

        Returns
        -------
        ndarray, shape (n_frames + m, C), float32
            m is ``n_release`` or less.  Behind the attack the note is steadied, and stretched if it is held longer than the note of the bank.
        """
        found = self.instruments[name]
        latent = found.latents[np.abs(found.pitches - pitch).argmin()]
        attack = min(self.held_frames - 1, round(ATTACK_S / self.frame_s))
        held = np.concatenate(
            [latent[:attack], _steadied(latent[attack : self.held_frames], round(STEADY_S / self.frame_s))]
        )
        if n_frames > len(held):
            at = np.concatenate([np.arange(attack), np.linspace(attack, len(held) - 1, n_frames - attack)])
            held = np.stack([np.interp(at, np.arange(len(held)), track) for track in held.T], axis=1)
        release = latent[self.held_frames : self.held_frames + n_release]
        return np.concatenate([held[:n_frames], release]).astype(np.float32)


def _steadied(tracks: np.ndarray, most: int) -> np.ndarray:
    """Average every frame with as many before as after it, `most` or up to the nearer end: a straight line stays what it is, and so do the ends."""
    n = len(tracks)
    at = np.arange(n)
    around = np.minimum(most, np.minimum(at, n - 1 - at))
    sums = np.concatenate([np.zeros((1, tracks.shape[1])), np.cumsum(tracks, axis=0, dtype=np.float64)])
    return (sums[at + around + 1] - sums[at - around]) / (2 * around + 1)[:, None]


def save(path: str | os.PathLike[str], bank: Bank, *, overwrite: bool = False) -> None:
    """Write a bank, whole or not at all; latents in half precision.

    Raises
    ------
    OutputExistsError
        If the file exists and ``overwrite`` is false.
    """
    about = {
        "schema": SCHEMA_VERSION, "held_frames": bank.held_frames, "frame_s": bank.frame_s, "model_sha256": bank.model_sha256, "origin": bank.origin,
        "instruments": {name: {"source": found.source, "program": found.program} for name, found in bank.instruments.items()},
    }  # fmt: skip
    arrays = {"about": np.array(json.dumps(about))}
    for number, found in enumerate(bank.instruments.values()):
        arrays |= {
            f"pitches{number}": found.pitches.astype(np.int64),
            f"latents{number}": found.latents.astype(np.float16),
        }
    with output.whole_file(path, overwrite=overwrite) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def load(path: str | os.PathLike[str]) -> Bank:
    """Read what ``save`` wrote.

    Raises
    ------
    InputError
        If the file is missing, is no bank, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no bank of notes {path}; `wavecore data bank` makes one")
    if not zipfile.is_zipfile(path):  # NumPy would suggest to unpickle it
        raise InputError(f"{path} is no bank of notes: it is no .npz file, or was cut off")
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            if about["schema"] != SCHEMA_VERSION:
                raise InputError(f"{path} has schema {about['schema']}; this wavecore reads {SCHEMA_VERSION}")
            instruments = {
                name: Instrument(
                    said["source"],
                    said["program"],
                    file[f"pitches{number}"],
                    file[f"latents{number}"].astype(np.float32),
                )
                for number, (name, said) in enumerate(about["instruments"].items())
            }
            bank = Bank(
                instruments,
                int(about["held_frames"]),
                float(about["frame_s"]),
                str(about["model_sha256"]),
                str(about["origin"]),
            )
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no bank of notes: {error}") from error
    _check(bank, path)
    return bank


def of_model(model: LoadedModel) -> Bank:
    """Read the bank that lies in a model's folder.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``.

    Raises
    ------
    ModelError
        If the folder has none.
    InputError
        If it is damaged, or of other weights.
    """
    path = model.path / FILE
    if not path.is_file():
        raise ModelError(
            f"{model.name} has no bank of notes to play with ({path}); `wavecore data bank --model {model.path}` makes one"
        )
    return require_model(load(path), model, path)


def require_model(bank: Bank, model: LoadedModel, path: str | os.PathLike[str]) -> Bank:
    """Refuse a bank of another model: its latents would mean something else.

    Parameters
    ----------
    path : path-like
        For the message.

    Returns
    -------
    Bank
        The same.

    Raises
    ------
    InputError
        If other weights made it.
    """
    if bank.model_sha256 != model.sha256:
        raise InputError(
            f"{path} holds notes of a model {bank.model_sha256[:12]}, and {model.name} is {model.sha256[:12]}; make it anew: `wavecore data bank`"
        )
    return bank


def _check(bank: Bank, path: Path) -> None:
    """Refuse what could not be played."""
    if not bank.instruments:
        raise InputError(f"{path} holds no instrument")
    for name, found in bank.instruments.items():
        n_notes = len(found.pitches)
        whole = (
            found.latents.ndim == 3
            and found.latents.shape[0] == n_notes
            and found.latents.shape[1] >= bank.held_frames > 1
        )
        if not n_notes or not whole or not np.isfinite(found.latents).all() or (np.diff(found.pitches) <= 0).any():
            raise InputError(
                f"{path} is damaged: {name} has {n_notes} pitches and latents of shape {found.latents.shape}"
            )
