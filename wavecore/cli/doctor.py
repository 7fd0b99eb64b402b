"""``wavecore doctor``: what is installed, what works, and the fix where something does not.

Every check is isolated: whatever one of them raises becomes a line, and the
others still run.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import DeviceError, ModelError, WavecoreError

TORCH_FIX = "pip install 'torch>=2.11,<2.15' 'torchaudio==2.11.*'"
DATA_FIX = "pip install 'wavecore[data]'"
LOGIT_TOLERANCE = 1e-3
"""Largest logit error of a backend; float32 sums in another order differ by some 1e-5."""


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes
    ----------
    fix : str
        What to do if it is not ok, else empty.
    """

    name: str
    ok: bool
    detail: str
    fix: str


@dataclass(frozen=True)
class Part:
    """Something to check.

    Attributes
    ----------
    look : callable
        Returns what it found; raises if the part does not work.
    fix : str
        What to do if it does not.
    required : bool
        Whether wavecore as a whole needs it.
    """

    name: str
    look: Callable[[], str]
    fix: str
    required: bool = True


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore doctor``: none but the common ones."""


def run(args: argparse.Namespace, console: Console) -> None:
    """Run all checks and report them.

    Raises
    ------
    WavecoreError
        If a part that is needed does not work.
    """
    checks, failed = [], []
    for part in all_parts():
        check = examine(part)
        checks.append(check)
        if not check.ok and part.required:
            failed.append(part.name)
        mark, colour = ("ok", "green") if check.ok else ("FAIL", "red") if part.required else ("-", "yellow")
        console.result(f"{console.paint(f'{mark:5}', colour)}{check.name:22}{check.detail}")
        if check.fix:
            console.result(f"{'':27}fix: {check.fix}")
    console.document({"ok": not failed, "checks": [asdict(check) for check in checks]})
    if failed:
        raise WavecoreError(f"{len(failed)} of {len(checks)} checks failed: {', '.join(failed)}")


def examine(part: Part) -> Check:
    """Check one part; whatever goes wrong is its result."""
    try:
        return Check(part.name, True, part.look(), "")
    except Exception as error:
        text = " ".join(str(error).split()) or "no reason given"
        kind = "" if isinstance(error, WavecoreError) else f"{type(error).__name__}: "
        optional = "" if part.required else " (optional)"
        return Check(part.name, False, f"{kind}{text[:300]}{optional}", part.fix)


def all_parts() -> Iterator[Part]:
    """List everything there is to check, the parts that others need first."""
    yield Part("python", _python, "install Python 3.11 or later, and wavecore in it")
    yield Part("torch", _torch, TORCH_FIX)
    yield Part("torchaudio", _torchaudio, TORCH_FIX)
    for name in ("numpy", "safetensors", "symusic", "matplotlib", "tqdm"):
        yield Part(name, lambda name=name: _import(name), f"pip install --upgrade {name}")
    yield Part("librosa", _librosa, "pip install --upgrade librosa numba numpy")
    yield Part("soxr", _soxr, "pip install --upgrade soxr")
    yield Part("soundfile", _soundfile, "pip install --upgrade soundfile")
    yield Part("nnAudio", _nnaudio, "pip install 'nnAudio>=0.3.4'")
    yield Part("numba", _numba, "pip install --upgrade numba numpy")
    if platform.system() == "Linux":
        yield Part("triton", lambda: _import("triton"), f"it comes with torch: {TORCH_FIX}")
    yield Part("cuda", _cuda, TORCH_FIX)
    yield Part("native kernel", _native, "apt install gcc (or another C compiler), then install wavecore again", False)
    yield from _backend_parts()
    yield from _model_parts()
    yield Part(
        "fluidsynth",
        _fluidsynth,
        f"{DATA_FIX}; and the library (Debian, Ubuntu: apt install libfluidsynth3)",
        False,
    )
    yield Part(
        "soundfont",
        _soundfont,
        "Debian, Ubuntu: apt install fluid-soundfont-gm; or name one: --soundfont PATH",
        False,
    )
    yield Part("music21", lambda: _import("music21"), DATA_FIX, False)


def backend_error(backend: str, device: str) -> float:
    """Run a backend beside the reference on a tiny network, teacher-forced.

    Parameters
    ----------
    device : str
        ``cpu`` or ``cuda:N``.

    Returns
    -------
    float
        The largest error of a logit; the logits are of the order of 1.
    """
    import numpy as np
    import torch

    from wavecore.nn.config import preset
    from wavecore.nn.generate import open_generator
    from wavecore.nn.wavenet import WaveNet

    config = preset("tiny")
    n_frames = 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = {name: 0.3 * torch.randn_like(tensor) for name, tensor in WaveNet(config).state_dict().items()}
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((2, n_frames, config.latent_channels)).astype(np.float32)
    codes = rng.integers(0, config.n_classes, (2, n_frames * config.hop_length - 5), dtype=np.uint8)
    logits = []
    for name, place in (("reference", "cpu"), (backend, device)):
        # In float32: how a backend rounds weights is not what is judged here.
        generator = open_generator(state, config, batch=2, seed=0, backend=name, device=place, dtype="float32")
        generator.feed(latent)
        logits.append(generator.force(codes))
    scale = float(np.abs(logits[0]).max())
    return float(np.abs(logits[1] - logits[0]).max()) / max(1.0, scale)


def _backend_parts() -> Iterator[Part]:
    """Every backend on every device it runs on, beside the reference on the CPU."""
    try:
        from wavecore.nn.generate import BACKENDS, resolve_backend

        devices = ["cpu", *_cuda_devices()]
    except Exception as error:
        yield Part("backends", _raiser(error), "see the lines above")
        return
    for device in devices:
        for backend in BACKENDS:
            if (backend, device) == ("reference", "cpu"):
                continue
            try:
                resolve_backend(backend, device)
            except DeviceError:
                continue  # not meant for this device
            yield Part(
                f"backend {backend}" + ("" if device == "cpu" else f" {device}"),
                lambda backend=backend, device=device: _agreement(backend, device),
                "take --backend reference, and report this line",
            )


def _agreement(backend: str, device: str) -> str:
    error = backend_error(backend, device)
    if not error <= LOGIT_TOLERANCE:
        raise DeviceError(f"differs from the reference: logit error {error:.2g}, tolerated {LOGIT_TOLERANCE:g}")
    return f"agrees with the reference (logit error {error:.1e})"


def _model_parts() -> Iterator[Part]:
    """Every shipped model; that there is none is a failure as well."""
    fix = "install wavecore again: the models come with the package"
    try:
        from wavecore import checkpoint
        from wavecore.cli.models import check_model

        names = checkpoint.shipped()
    except Exception as error:
        yield Part("models", _raiser(error), "see the lines above")
        return
    if not names:
        yield Part("models", _raiser(ModelError(f"no model in {checkpoint.PRETRAINED}")), fix)
    for name in names:
        yield Part(f"model {name}", lambda name=name: check_model(checkpoint.PRETRAINED / name), fix)


def _raiser(error: Exception) -> Callable[[], str]:
    def look() -> str:
        raise error

    return look


def _import(name: str) -> str:
    """Import a module and return its version."""
    import importlib
    from importlib import metadata

    importlib.import_module(name)
    return metadata.version(name)


def _python() -> str:
    return f"{platform.python_version()}, {platform.system()} {platform.machine()}, wavecore {common.version()}"


def _torch() -> str:
    import torch

    return f"{torch.__version__}, {torch.get_num_threads()} threads"


def _torchaudio() -> str:
    """Load torchaudio beside torch and use both."""
    import torch
    import torchaudio

    torchaudio.functional.resample(torch.zeros(1, 100), 16000, 8000)
    return f"{torchaudio.__version__}, loads beside torch {torch.__version__}"


def _librosa() -> str:
    """Track the pitch of a tone: librosa loads its parts late, so importing alone proves little."""
    import librosa
    import numpy as np

    tone = np.sin(2 * np.pi * 440 * np.arange(4096) / 16000).astype(np.float32)
    f0_hz, _, _ = librosa.pyin(tone, fmin=200, fmax=2000, sr=16000, frame_length=1024)
    found_hz = float(np.nanmedian(f0_hz))
    if not 430 < found_hz < 450:
        raise WavecoreError(f"detects {found_hz:.0f} Hz in a tone of 440 Hz")
    return _import("librosa")


def _soundfile() -> str:
    import soundfile

    required, found = ("WAV", "FLAC", "OGG", "MP3"), soundfile.available_formats()
    missing = [name for name in required if name not in found]
    if missing:
        version = soundfile.__libsndfile_version__
        raise WavecoreError(f"libsndfile {version} cannot read {', '.join(missing)}")
    return f"{soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}: {', '.join(required)}"


def _soxr() -> str:
    import numpy as np
    import soxr

    soxr.resample(np.zeros(1000, np.float32), 44100, 16000)
    return soxr.__version__


def _nnaudio() -> str:
    """Build the front end of the encoders."""
    from wavecore.nn.config import EncoderConfig
    from wavecore.nn.encoders import build_encoder

    build_encoder(EncoderConfig())
    return f"{_import('nnAudio')}, builds the constant-Q front end"


def _numba() -> str:
    """Compile and run a function."""
    import numba

    double = numba.njit(lambda x: x + x)
    if double(21) != 42:
        raise WavecoreError("compiles, and computes wrongly")
    return f"{numba.__version__}, compiles"


def _cuda() -> str:
    import torch

    names = [torch.cuda.get_device_name(device) for device in _cuda_devices()]
    return ", ".join(names) if names else "no CUDA device: everything runs on the CPU"


def _cuda_devices() -> list[str]:
    import torch

    return [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []


def _native() -> str:
    from wavecore.nn.generate import native_kernel

    return native_kernel()


def _fluidsynth() -> str:
    from wavecore.datasets.synths.soundfont import load_fluidsynth

    load_fluidsynth().Synth(samplerate=16000.0).delete()
    return "loads"


def _soundfont() -> str:
    from wavecore.datasets.synths.soundfont import find_soundfont

    return str(find_soundfont())


COMMANDS = {
    "": flags.Command(
        summary="check what is installed and what works, and name the fix where something does not",
        example="wavecore doctor\nwavecore doctor --json",
        configure=configure,
        run=run,
    )
}
