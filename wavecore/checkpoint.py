"""Models on disk: safetensors and JSON in a folder, written whole or not at all.

A model folder holds ``model.safetensors`` and ``config.json`` (schema version,
kind, rate, codec, hop, receptive field, domains, sizes, training summary,
sha256 of the weights).  Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from wavecore import registry
from wavecore.errors import ModelError, OutputExistsError, UsageError

SCHEMA_VERSION = 1
WEIGHTS, CONFIG = "model.safetensors", "config.json"
PRETRAINED = Path(__file__).resolve().parent / "pretrained"


@dataclass(frozen=True)
class LoadedModel:
    """A model read from a folder.

    Attributes
    ----------
    network : nn.Module
        Of the class that ``registry.KINDS`` names for the card's kind; in evaluation mode, float32, on the CPU.
    name : str
        The folder's name; of a training run's best model, the run's.
    path : Path
        The folder.
    sha256 : str
        Of the weights file.
    card : dict
        All of ``config.json``.
    """

    network: Any
    name: str
    path: Path
    sha256: str
    card: dict

    @property
    def temperature(self) -> float:
        """The sampling temperature that the card recommends, 1 if none."""
        return float(self.card.get("training", {}).get("temperature", 1.0))

    def level_db(self, default: float) -> float:
        """Return the level of the sounds the model was trained on, dB of full scale, or a default."""
        return float(self.card.get("training", {}).get("data", {}).get("level_db", default))


def save(
    network: Any,
    folder: str | Path,
    *,
    training: Mapping | None = None,
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
) -> str:
    """Write a model folder.

    Parameters
    ----------
    network : nn.Module
        Of a class in ``registry.KINDS``.
    folder : str or Path
        Created; other files in it are kept.
    training : mapping, optional
        A JSON summary of the training.
    dtype : torch.dtype
        Of the stored weights; float16 halves the file at a relative error of 5e-4.
    overwrite : bool
        Whether a model that is there may be replaced.

    Returns
    -------
    str
        The sha256 of the weights file.

    Raises
    ------
    OutputExistsError
        If the folder holds a model and ``overwrite`` is false.
    ModelError
        If a weight is not finite.

    Examples
    --------
    >>> import wavecore
    >>> network = wavecore.load("coconet").network
    >>> digest = wavecore.save_model(network, "copy")
    >>> wavecore.load("copy").sha256 == digest
    True
    """
    folder = Path(folder)
    if (folder / WEIGHTS).exists() and not overwrite:
        raise OutputExistsError(f"{folder} holds a model already; choose another folder, or allow overwriting")
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    # A counter keeps its type: float16 ends at 65,504.
    tensors = {name: (t.to(dtype) if t.is_floating_point() else t).contiguous() for name, t in state.items()}
    broken = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise ModelError(f"these weights are not finite and are not saved: {', '.join(broken[:5])}")
    write_tensors(tensors, folder / WEIGHTS)
    digest = file_sha256(folder / WEIGHTS)
    decoder = getattr(network.config, "decoder", None)
    sizes = {} if decoder is None else {
        "sample_rate": decoder.sample_rate,
        "codec": "mu-law-256",
        "hop_length": decoder.hop_length,
        "receptive_field": decoder.receptive_field,
    }  # fmt: skip
    card = {
        "schema_version": SCHEMA_VERSION,
        "kind": network.kind,
        **sizes,
        **network.card(),
        "config": network.config.to_dict(),
        "training": dict(training or {}),
        "sha256": digest,
    }
    write_json(card, folder / CONFIG)
    return digest


def load(model: str | Path, *, kind: str | None = "translation") -> LoadedModel:
    """Read a model by the name of a shipped one, or by its folder.

    Parameters
    ----------
    kind : str or None
        A kind of ``registry.KINDS`` that the caller can use; any of them if None.

    Raises
    ------
    ModelError
        If there is no such model, it is a pickle, or its files do not fit each other.
    """
    folder = find(model)
    card = read_card(folder)
    kind = card.get("kind") if kind is None and card.get("kind") in registry.KINDS else kind
    if kind is None or card.get("kind") != kind:
        expected = repr(kind) if kind else f"one of {', '.join(registry.KINDS)}"
        raise ModelError(f"{folder} holds a model of kind {card.get('kind')!r}, not {expected}")
    digest = file_sha256(folder / WEIGHTS)
    if digest != card.get("sha256"):
        raise ModelError(
            f"{folder / WEIGHTS} is corrupt: its sha256 {digest[:12]} is not {str(card.get('sha256'))[:12]}"
        )
    try:
        network = registry.kind(kind).load("network")(registry.kind(kind).load("config").from_dict(card["config"]))
    except (KeyError, TypeError, UsageError) as error:
        raise ModelError(f"{folder / CONFIG} does not describe a network of kind {kind!r}: {error}") from error
    read = read_tensors(folder / WEIGHTS)
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in read.items()}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{folder / WEIGHTS} does not fit {CONFIG}: {error}") from error
    # A run's best model carries the run's name.
    name = folder.parent.name if folder.name == "best" else folder.name
    return LoadedModel(network.eval(), name, folder, digest, card)


def find(model: str | Path) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    model : str or Path
        The name of a shipped model, a model folder, or a training run's folder (its best model).

    Raises
    ------
    ModelError
        If there is none; the message lists the shipped ones.
    """
    given = Path(model)
    for folder in (PRETRAINED / given, given, given / "best"):
        if (folder / WEIGHTS).is_file() and (folder / CONFIG).is_file():
            return folder
    pickles = [".pt", ".pth", ".ckpt", ".pkl", ".bin"]
    if given.is_file() and given.suffix in pickles:
        raise ModelError(f"{given} is a pickle, which can run code when opened; wavecore reads safetensors only")
    names = ", ".join(shipped()) or "none"
    raise ModelError(
        f"there is no model {str(model)!r} (a folder with {WEIGHTS} and {CONFIG}); shipped models: {names}"
    )


def shipped() -> list[str]:
    """List the models that come with the package.

    Returns
    -------
    list of str
        Names, sorted.

    Examples
    --------
    >>> import wavecore
    >>> wavecore.shipped_models()
    ['coconet', 'ear', 'gan', 'lstm', 'musegan', 'musenet', 'notes', 'universal']
    """
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{WEIGHTS}"))


def read_card(folder: Path) -> dict:
    """Read and check a model folder's ``config.json``.

    Raises
    ------
    ModelError
        If it is no JSON object or of another schema.
    """
    try:
        card = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG} cannot be read: {error}") from error
    if not isinstance(card, dict) or card.get("schema_version") != SCHEMA_VERSION:
        found = card.get("schema_version") if isinstance(card, dict) else type(card).__name__
        raise ModelError(f"{folder / CONFIG} has schema version {found!r}; this wavecore reads {SCHEMA_VERSION}")
    return card


def write_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as one safetensors file, by a temporary name."""
    with replacing(path) as temporary:
        # save_file would make a file that only its owner can read.
        temporary.write_bytes(to_bytes(dict(tensors)))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises
    ------
    ModelError
        If it is missing or no safetensors file.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is not a readable safetensors file: {error}") from error


def write_json(value: Mapping, path: Path) -> None:
    """Write JSON by a temporary name."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it on success, remove it on failure.

    Parameters
    ----------
    path : Path
        A file or a folder to be.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Hash a file.

    Returns
    -------
    str
        Hexadecimal sha256.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
