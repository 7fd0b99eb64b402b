"""Audio synthesis and transfer with WaveNet at its centre.

Load a model by its name or folder; its methods take and return NumPy arrays::

    import wavecore

    x, rate = wavecore.read_audio("whistle.wav")
    sound = wavecore.load("universal").translate(x, rate, to="strings")
    sound.write("strings.wav")

The names below are imported when they are first used: ``import wavecore`` itself loads nothing else.
"""

from __future__ import annotations

import importlib
import importlib.metadata

_PUBLIC = {
    # models, by their names or folders
    "load": "wavecore.models.base",
    "shipped_models": "wavecore.checkpoint:shipped",
    "Model": "wavecore.models.base",
    # sounds and songs
    "read_audio": "wavecore.audio.files:read",
    "read_midi": "wavecore.symbolic.midi:read",
    "render": "wavecore.rendering.api",
    "Sound": "wavecore.audio.sound",
    "Song": "wavecore.symbolic.song",
    # errors
    "WavecoreError": "wavecore.errors",
    "UsageError": "wavecore.errors",
    "InputError": "wavecore.errors",
    "ModelError": "wavecore.errors",
    "DeviceError": "wavecore.errors",
    "OutputExistsError": "wavecore.errors",
    "PartialFailureError": "wavecore.errors",
    # building blocks: the network, generation, training
    "WaveNet": "wavecore.nn.wavenet",
    "WaveNetConfig": "wavecore.nn.config",
    "preset": "wavecore.nn.config",
    "open_generator": "wavecore.nn.generate",
    "generate_blocks": "wavecore.nn.generate",
    "resolve_device": "wavecore.nn.generate",
    "resolve_backend": "wavecore.nn.generate",
    "save_model": "wavecore.checkpoint:save",
    "Task": "wavecore.training.task",
    "TrainingConfig": "wavecore.training.config",
    "run_task": "wavecore.training.loop",
}
"""Where each public name lives: a module, and the name there where it differs."""

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 (the keys are strings)


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
            "the version of wavecore is unknown, because it is not installed here; "
            "run `pip install --editable .` in its folder"
        ) from error
