"""The kinds of models, and where the parts of each live.

A part is written as ``"module:name"`` and imported when it is first used, so that this table imports nothing and a
command that needs one system does not load the others.  A new kind of model is one entry here and one folder below
``wavecore/models``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields
from typing import Any

from wavecore.errors import ModelError


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    Attributes
    ----------
    name : str
        As model folders and the command line call it.
    config, network : str
        The network's configuration, and the network.
    training : str
        The settings of its training, a ``TrainingConfig``.
    model : str
        What ``wavecore.load`` returns, a ``models.base.Model``.
    train : str
        ``wavecore train KIND``, a ``console.training.TrainingCommand``.
    compose : str
        ``wavecore compose KIND``, a ``console.flags.Command``; empty for models of sound.
    evaluate : str
        What ``wavecore evaluate symbolic`` runs for this kind, a ``console.composer_evaluation.ComposerEvaluation``;
        empty for models of sound.
    remedy : str
        What to do where no model of this kind is shipped.
    """

    name: str
    config: str
    network: str
    training: str
    model: str
    train: str
    remedy: str
    compose: str = ""
    evaluate: str = ""

    def load(self, part: str) -> Any:
        """Import a part, for example ``load("network")``."""
        return load(getattr(self, part))

    def parts(self) -> dict[str, str]:
        """Return the places of all parts by name; empty ones are left out."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: place for name, place in named.items() if ":" in place and name != "remedy"}


def load(place: str) -> Any:
    """Import what ``"module:name"`` names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _composer(name: str, prefix: str, data: str = "DIR", **others: str) -> Kind:
    room = f"wavecore.models.{name}"
    places = {
        "config": f"{room}.config:{prefix}Config",
        "network": f"{room}.model:{prefix}",
        "training": f"{room}.config:{prefix}TrainingConfig",
        "model": f"{room}.api:{prefix}Model",
        "train": f"{room}.commands:TRAIN",
        "compose": f"{room}.commands:COMPOSE",
        "evaluate": f"{room}.commands:EVALUATE",
        "remedy": f"train one: wavecore train {name} --data {data} --out RUN, then --model RUN",
    }
    return Kind(name, **places | others)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "translation",
            config="wavecore.models.translation.config:TranslationConfig",
            network="wavecore.models.translation.model:TranslationNetwork",
            training="wavecore.models.translation.config:TranslationTrainingConfig",
            model="wavecore.models.translation.api:TranslationModel",
            train="wavecore.models.translation.commands.train:TRAIN",
            remedy="install wavecore again, or name a trained model: --model FOLDER",
        ),
        Kind(
            "nsynth",
            config="wavecore.models.nsynth.config:NSynthConfig",
            network="wavecore.models.nsynth.model:NSynthNetwork",
            training="wavecore.models.nsynth.config:NSynthTrainingConfig",
            model="wavecore.models.nsynth.api:NSynthModel",
            train="wavecore.models.nsynth.commands.train:TRAIN",
            remedy="train one (wavecore data soundfont, wavecore train nsynth) and name it: --model RUN",
        ),
        Kind(
            "spectral",
            config="wavecore.models.spectral.config:SpectralConfig",
            network="wavecore.models.spectral.model:SpectralNetwork",
            training="wavecore.models.spectral.config:SpectralTrainingConfig",
            model="wavecore.models.spectral.api:SpectralModel",
            train="wavecore.models.spectral.commands:TRAIN",
            remedy="train one: wavecore train spectral --data DIR --out RUN",
        ),
        Kind(
            "note-classifier",
            config="wavecore.models.note_classifier.config:NoteClassifierConfig",
            network="wavecore.models.note_classifier.model:NoteClassifier",
            training="wavecore.models.note_classifier.config:ClassifierTrainingConfig",
            model="wavecore.models.note_classifier.api:NoteClassifierModel",
            train="wavecore.models.note_classifier.commands:TRAIN",
            remedy="train one (wavecore data soundfont, wavecore train note-classifier) and name it: --classifier RUN",
        ),
        _composer("coconet", "Coconet", data="CHORALES"),
        _composer("lstm", "LSTM", evaluate="wavecore.models.melody_evaluation:EVALUATE"),
        _composer("gan", "GAN", evaluate="wavecore.models.melody_evaluation:EVALUATE"),
        _composer("musegan", "MuseGAN"),
        _composer("musenet", "MuseNet"),
    )
}
"""All kinds by name, in the order in which the command line lists them."""


def kind(name: str) -> Kind:
    """Return a kind by its name.

    Raises
    ------
    ModelError
        If there is none; the known ones are listed.

    Examples
    --------
    >>> kind("coconet").network
    'wavecore.models.coconet.model:Coconet'
    >>> kind("lstm").load("network").__name__
    'LSTM'
    """
    if name not in KINDS:
        raise ModelError(f"there is no kind of model {name!r}; the kinds are {', '.join(KINDS)}")
    return KINDS[name]
