"""Latents on disk, with the model that encoded them: no other model can decode them."""

from __future__ import annotations

import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from wavecore.audio import output
from wavecore.checkpoint import LoadedModel
from wavecore.errors import InputError


@dataclass(frozen=True)
class StoredLatent:
    """A latent, (F, C) float32, of ``n_samples`` of sound, at most F * hop_length, with the level ``level_db``."""

    latent: np.ndarray
    sample_rate: int
    hop_length: int
    n_samples: int
    model_sha256: str
    level_db: float


def save(path: str | os.PathLike[str], stored: StoredLatent, *, overwrite: bool = False) -> Path:
    """Write an .npz file, whole or not at all; raise OutputExistsError if it exists and may not be replaced."""
    path = Path(path)
    with output.whole_file(path, overwrite=overwrite) as temporary, open(temporary, "wb") as file:
        np.savez(file, **asdict(stored) | {"latent": stored.latent.astype(np.float32)})
    return path


def load(path: str | os.PathLike[str]) -> StoredLatent:
    """Read what ``save`` wrote; raise InputError if the file is missing, holds no latent, or is damaged."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if not zipfile.is_zipfile(path):  # NumPy would suggest to unpickle it
        raise InputError(f"{path} is no latent that `wavecore encode` wrote: it is no .npz file, or was cut off")
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = StoredLatent(
                np.asarray(file["latent"], np.float32),
                int(file["sample_rate"]),
                int(file["hop_length"]),
                int(file["n_samples"]),
                str(file["model_sha256"]),
                float(file["level_db"]),
            )
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no latent that `wavecore encode` wrote: {error}") from error
    latent = stored.latent
    if latent.ndim != 2 or 0 in latent.shape or not np.isfinite(latent).all():
        raise InputError(f"{path} holds a latent of shape {latent.shape}, or numbers that are not finite")
    if not 0 < stored.n_samples <= len(latent) * stored.hop_length:
        raise InputError(f"{path} claims {stored.n_samples} samples for {len(latent)} frames of {stored.hop_length}")
    return stored


def require_model(stored: StoredLatent, model: LoadedModel, path: str | os.PathLike[str]) -> None:
    """Raise InputError if other weights encoded a latent; ``path`` is named in the message."""
    if stored.model_sha256 != model.sha256:
        raise InputError(
            f"{path} was encoded by a model {stored.model_sha256[:12]}, and {model.name} is {model.sha256[:12]}; "
            "decode it with the model that encoded it"
        )
    if stored.latent.shape[1] != model.network.config.latent_size:
        raise InputError(f"{path} has {stored.latent.shape[1]} channels, not the model's")
