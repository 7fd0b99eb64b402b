"""What ``wavecore.load`` returns: a model of any kind, with methods that take and return arrays."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from wavecore import checkpoint, registry
from wavecore.checkpoint import LoadedModel

SEED_LIMIT = 2**32
"""Drawn seeds stay below it, short enough to be typed again."""


@dataclass(frozen=True, repr=False)
class Model(LoadedModel):
    """A model and what it can do.

    Each kind of model subclasses this in the ``api.py`` of its folder.
    """

    verbs: ClassVar[tuple[str, ...]] = ()
    """Names of the methods that the repr lists."""

    @property
    def kind(self) -> str:
        """The kind of model, a key of ``registry.KINDS``."""
        return self.network.kind

    def describe(self) -> str:
        """Return in a few words what the model knows, for its repr; kinds add their own."""
        return self.kind

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model to a folder, from which ``wavecore.load`` reads it again.

        Parameters
        ----------
        folder : str or Path
            Created; other files in it are kept.
        overwrite : bool
            Whether a model that is there may be replaced.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OutputExistsError
            If the folder holds a model and ``overwrite`` is false.
        """
        checkpoint.save(self.network, folder, training=self.card.get("training"), overwrite=overwrite)
        return Path(folder)

    def __repr__(self) -> str:
        size = sum(tensor.numel() for tensor in self.network.state_dict().values()) / 1e6
        return f"{type(self).__name__}({self.name!r}: {self.describe()}; {size:.2f} M weights; {', '.join(self.verbs)})"


def load(model: str | Path, *, kind: str | None = None) -> Model:
    """Load a model of any kind.

    Parameters
    ----------
    model : str or Path
        The name of a shipped model (``wavecore.shipped_models()`` lists them), a model folder, or the folder of a
        training run, whose best model it is.
    kind : str, optional
        The kind that is needed; a model of another one is refused.

    Returns
    -------
    Model
        Of the class for its kind: ``TranslationModel``, ``NSynthModel``, ``CoconetModel``, ``MuseNetModel``,
        ``LSTMModel``, ``GANModel``, ``MuseGANModel``, ``NoteClassifierModel`` or ``SpectralModel``.

    Raises
    ------
    ModelError
        If there is no such model, it is of another kind, or its files are damaged.

    Examples
    --------
    >>> import wavecore
    >>> wavecore.load("coconet")
    CoconetModel('coconet': four voices, MIDI 36-81; 0.11 M weights; compose, harmonize, fill)
    """
    loaded = checkpoint.load(model, kind=kind)
    model_class = registry.kind(loaded.network.kind).load("model")
    return model_class(loaded.network, loaded.name, loaded.path, loaded.sha256, loaded.card)


def draw_seed(seed: int | None) -> int:
    """Return a seed, or draw one where none is given; results report it."""
    return secrets.randbelow(SEED_LIMIT) if seed is None else seed
