"""Latents on disk: what was encoded, by which model, so that nothing else decodes it by mistake."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavecore.audio import output
from wavecore.checkpoint import LoadedModel
from wavecore.errors import InputError


@dataclass(frozen=True)
class StoredLatent:
    """A latent and where it comes from.

    Attributes
    ----------
    latent : ndarray, shape (F, C), float32
    sample_rate : int
        Of the model, Hz.
    hop_length : int
        Samples per frame.
    n_samples : int
        Of the sound that was encoded; F * hop_length or a little less.
    model_sha256 : str
        Of the weights that encoded it.
    level_db : float
        Of the sound, see ``interpolate.loud_db``; what is decoded is brought to it.
    """

    latent: np.ndarray
    sample_rate: int
    hop_length: int
    n_samples: int
    model_sha256: str
    level_db: float


def save(path: str | os.PathLike[str], stored: StoredLatent, *, overwrite: bool = False) -> Path:
    """Write an .npz file, whole or not at all.

    Raises
    ------
    OutputExistsError
        If the file exists and ``overwrite`` is false.
    """
    path = Path(path)
    with output.whole_file(path, overwrite=overwrite) as temporary, open(temporary, "wb") as file:
        np.savez(
            file, latent=stored.latent.astype(np.float32), sample_rate=stored.sample_rate,
            hop_length=stored.hop_length, n_samples=stored.n_samples,
            model_sha256=np.array(stored.model_sha256), level_db=np.float64(stored.level_db),
        )  # fmt: skip
    return path


def load(path: str | os.PathLike[str]) -> StoredLatent:
    """Read what ``save`` wrote.

    Raises
    ------
    InputError
        If the file is missing, is no latent, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):  # NumPy would suggest to unpickle it
        raise InputError(f"{path} is no latent that `wavecore encode` wrote: it is no .npz file, or was cut off")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = StoredLatent(
                np.asarray(file["latent"], np.float32), int(file["sample_rate"]), int(file["hop_length"]),
                int(file["n_samples"]), str(file["model_sha256"]), float(file["level_db"]),
            )  # fmt: skip
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no latent that `wavecore encode` wrote: {error}") from error
    latent = found.latent
    if latent.ndim != 2 or 0 in latent.shape or not np.isfinite(latent).all():
        raise InputError(f"{path} holds a latent of shape {latent.shape}, or numbers that are not finite")
    if not 0 < found.n_samples <= len(latent) * found.hop_length:
        raise InputError(f"{path} says {found.n_samples} samples for {len(latent)} frames of {found.hop_length}")
    return found


def require_model(stored: StoredLatent, model: LoadedModel, path: str | os.PathLike[str]) -> None:
    """Refuse a latent of another model: it would mean something else.

    Parameters
    ----------
    path : path-like
        For the message.

    Raises
    ------
    InputError
        If other weights encoded it.
    """
    if stored.model_sha256 != model.sha256:
        raise InputError(
            f"{path} was encoded by a model {stored.model_sha256[:12]}, and {model.name} is {model.sha256[:12]}; "
            "latents mean something to the model that made them alone"
        )
