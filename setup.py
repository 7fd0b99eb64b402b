"""Packaging of wavecore.

``kernels/`` and ``datasets/`` are folders of their own at the top of the
repository.  They are mapped to ``wavecore.kernels`` and ``wavecore.datasets``,
because top-level packages of those names would hide well-known ones.
"""

from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).parent

# torchaudio ends at 2.11.0 and refuses to load beside a torch that was built
# for another CUDA version (or for none).  torch 2.11 to 2.14 are the builds it
# loads with; 2.15 moved on to a later CUDA.  `wavecore doctor` names this
# mismatch where it finds one.
TORCH = ["torch>=2.11,<2.15", "torchaudio==2.11.*"]

TEST = ["pytest>=8", "pytest-xdist>=3.6", "pytest-cov>=5", "hypothesis>=6.100", "setuptools>=70.1"]

# A plain shared library, loaded by ctypes: it knows nothing of Python.  Optional: without a C compiler
# the install goes on, and generation uses numba.
NATIVE = Extension(
    "wavecore.kernels.cpu._native",
    ["kernels/cpu/csrc/native.c"],
    depends=sorted(str(path.relative_to(ROOT)) for path in (ROOT / "kernels/cpu/csrc").glob("*.h")),
    extra_compile_args=["-std=gnu11", "-O3", "-ffp-contract=off", "-pthread"],
    extra_link_args=["-pthread"],
    optional=True,
)

setup(
    name="wavecore",
    version="0.2.0",
    description="WaveNet audio synthesis and transfer: whistle in, strings out",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    license="MIT",
    packages=[
        "wavecore",
        "wavecore.audio",
        "wavecore.cli",
        "wavecore.console",
        "wavecore.datasets",
        "wavecore.datasets.domains",
        "wavecore.datasets.notes",
        "wavecore.datasets.nsynth",
        "wavecore.datasets.synths",
        "wavecore.kernels",
        "wavecore.kernels.cpu",
        "wavecore.kernels.triton",
        "wavecore.metrics",
        "wavecore.models",
        "wavecore.models.coconet",
        "wavecore.models.gan",
        "wavecore.models.lstm",
        "wavecore.models.musegan",
        "wavecore.models.musenet",
        "wavecore.models.note_classifier",
        "wavecore.models.nsynth",
        "wavecore.models.nsynth.commands",
        "wavecore.models.spectral",
        "wavecore.models.translation",
        "wavecore.models.translation.commands",
        "wavecore.nn",
        "wavecore.plots",
        "wavecore.pretrained",
        "wavecore.rendering",
        "wavecore.symbolic",
        "wavecore.training",
    ],
    package_dir={
        "wavecore": "wavecore",
        "wavecore.datasets": "datasets",
        "wavecore.kernels": "kernels",
    },
    ext_modules=[NATIVE],
    package_data={
        "wavecore.pretrained": [
            "*/bank.npz",
            "*/model.safetensors",
            "*/config.json",
            "*/recipe.toml",
            "*/evaluation.json",
            "*/card.md",
            "*/*.png",
        ],
    },
    install_requires=[
        *TORCH,
        "numpy>=1.26",
        "librosa>=0.11",
        "scikit-learn>=1.3",
        "scipy>=1.10",
        "soundfile>=0.13",
        "soxr>=0.5",
        "nnAudio>=0.3.4",
        "numba>=0.61",
        "triton>=3.6; platform_system == 'Linux'",
        "safetensors>=0.5",
        "symusic>=0.5",
        "tqdm>=4.66",
        "matplotlib>=3.9",
        "mir_eval>=0.8",
    ],
    extras_require={
        "test": TEST,
        "dev": [*TEST, "ruff>=0.12", "mypy>=1.15", "pre-commit>=4"],
        "data": ["pyfluidsynth>=1.3.4", "music21>=9.3", "crc32c>=2.4", "protobuf>=4.22"],
    },
    entry_points={"console_scripts": ["wavecore=wavecore.cli.main:main"]},
)
