"""Audio synthesis and transfer with WaveNet at its centre.

The names below are all that most programs need::

    import wavecore

    model = wavecore.load_model("path/to/model")
    wavecore.translate_file(model, "whistle.wav", {"strings": "strings.wav"}, seed=1)

They are imported when they are first used: ``import wavecore`` itself loads
nothing else, so that ``wavecore --help`` answers at once.
"""

from __future__ import annotations

import importlib
import importlib.metadata

_PUBLIC = {
    # errors
    "WavecoreError": "wavecore.errors",
    "UsageError": "wavecore.errors",
    "InputError": "wavecore.errors",
    "ModelError": "wavecore.errors",
    "DeviceError": "wavecore.errors",
    "OutputExistsError": "wavecore.errors",
    "PartialFailureError": "wavecore.errors",
    # models
    "WaveNet": "wavecore.nn.wavenet",
    "WaveNetConfig": "wavecore.nn.wavenet",
    "preset": "wavecore.nn.wavenet",
    "TranslationConfig": "wavecore.models.translation.model",
    "TranslationNetwork": "wavecore.models.translation.model",
    "LoadedModel": "wavecore.checkpoint",
    "load_model": "wavecore.checkpoint:load",
    "save_model": "wavecore.checkpoint:save",
    "shipped_models": "wavecore.checkpoint:shipped",
    # generation
    "resolve_device": "wavecore.nn.generate",
    "resolve_backend": "wavecore.nn.generate",
    "open_generator": "wavecore.nn.generate",
    "generate_blocks": "wavecore.nn.generate",
    # translation
    "TranslationResult": "wavecore.models.translation.translate",
    "translate_file": "wavecore.models.translation.translate",
    # training
    "TrainingConfig": "wavecore.training.config",
    "train": "wavecore.training.loop",
}
"""Where each public name lives: a module, and the name there where it differs."""

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        value = _version()
    elif name in _PUBLIC:
        module, _, attribute = _PUBLIC[name].partition(":")
        value = getattr(importlib.import_module(module), attribute or name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    """List the public names beside what is loaded already."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Read the version of the installed package: it is written down once, in setup.py."""
    try:
        return importlib.metadata.version("wavecore")
    except importlib.metadata.PackageNotFoundError as error:
        from wavecore.errors import WavecoreError

        raise WavecoreError(
            "the version of wavecore is not known, because it is not installed here; "
            "run `pip install --editable .` in its folder"
        ) from error
