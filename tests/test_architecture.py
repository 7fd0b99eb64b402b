"""The house rules that can be read off the source, held for every file.

Each rule is a function from a source tree to a list of violations.  The last
tests plant one violation per rule in a small tree and see it found, so that a
rule cannot fall asleep.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Folder in the repository -> package it is installed as; setup.py says the same.
PACKAGES = {"wavecore": "wavecore", "kernels": "wavecore.kernels", "datasets": "wavecore.datasets"}

# Every unit may import units of a lower level, and itself.
LEVELS = {
    "wavecore.errors": 1,
    "wavecore.audio": 2,
    "wavecore.models": 3,
    "wavecore.symbolic": 3,
    "wavecore.checkpoint": 4,
    "wavecore.kernels": 4,
    "wavecore.datasets": 4,
    "wavecore.metrics": 4,
    "wavecore.nn.generate": 5,
    "wavecore.plots.style": 5,
    "wavecore.models.nsynth.latent_mix": 5,
    "wavecore.training": 6,  # above generate: a run writes samples while it goes
    "wavecore.nn.expectation": 4,
    "wavecore.models.translation.octaves": 2,
    "wavecore.models.translation.translate": 6,
    "wavecore.models.translation.tune_clips": 5,
    "wavecore.models.translation.evaluate": 7,
    "wavecore.models.nsynth.interpolate": 6,
    "wavecore.models.nsynth.grid": 7,
    "wavecore.models.nsynth.evaluate": 7,
    "wavecore.models.coconet.evaluate": 7,
    "wavecore.models.musegan.evaluate": 7,
    "wavecore.models.melody_evaluation": 7,
    "wavecore.models.musenet.evaluate": 7,
    "wavecore.models.nsynth.latent_files": 7,
    "wavecore.models.note_classifier.predict": 7,
    "wavecore.plots.latent_chart": 7,
    "wavecore.rendering": 7,
    "wavecore.benchmark": 7,
    "wavecore.plots.speed_chart": 7,
    "wavecore.models.musenet.plot_styles": 7,
    "wavecore.plots.audio": 7,
    "wavecore.cli": 8,
    "wavecore.pretrained": 8,  # data: imports nothing, nothing imports it
    "wavecore": 9,  # the front door: names of all levels, none imported before it is used
}

# Some units may import less than their level allows: these modules, and nothing else of wavecore.
ONLY = {
    "wavecore.symbolic": {"wavecore.errors"},
    "wavecore.kernels": {"wavecore.errors"},
    "wavecore.metrics": {"wavecore.errors", "wavecore.audio"},
    "wavecore.datasets": {
        "wavecore.errors",
        "wavecore.audio",
        "wavecore.symbolic.score",
        "wavecore.symbolic.song",
        "wavecore.symbolic.midi",
        "wavecore.symbolic.chorale",
    },
    "wavecore.pretrained": set(),
}

# Some units may be imported by few: one door leads to the kernels, one bridge from symbolic to sound.
IMPORTERS = {
    "wavecore.kernels": {"wavecore.nn.generate"},
    "wavecore.symbolic": {
        "wavecore.datasets",
        "wavecore.checkpoint",
        "wavecore.training",
        "wavecore.rendering",
        "wavecore.cli",
        "wavecore.models.coconet.evaluate",
        "wavecore.models.melody_evaluation",
        "wavecore.models.musenet.evaluate",
        "wavecore.models.musegan.evaluate",
    },
}

# Compiled code needs its compiler from the first line on; such a module is imported where it is used.
COMPILED = {
    "wavecore.kernels.triton.roofline_ops": {"triton"},
    "wavecore.kernels.cpu.numba_ops": {"numba", "llvmlite"},
    "wavecore.kernels.triton.latency_ops": {"triton"},
    "wavecore.kernels.triton.layers_ops": {"triton"},
    "wavecore.kernels.triton.throughput_ops": {"triton"},
    "wavecore.kernels.triton.words": {"triton"},
}

# What a machine may lack, or what takes long to load, is imported where it is used.
LATE = {
    "fluidsynth",
    "librosa",
    "llvmlite",
    "matplotlib",
    "music21",
    "nnAudio",
    "numba",
    "scipy",
    "sklearn",
    "soundfile",
    "soxr",
    "symusic",
    "torchaudio",
    "triton",
}
KERNEL_LIBRARIES = {"numpy", "torch", "numba", "llvmlite", "triton"}

# Training must start on a machine that has torch, numpy and safetensors, and no more.
TRAINING_SIDE = (
    "wavecore.models",
    "wavecore.training",
    "wavecore.datasets.domains.reader",
    "wavecore.datasets.notes.reader",
    "wavecore.audio.mulaw",
)
TRAINING_LIBRARIES = {"torch", "numpy", "safetensors"}

# Import name -> name in setup.py, where they differ.
DISTRIBUTIONS = {"fluidsynth": "pyfluidsynth", "llvmlite": "numba", "sklearn": "scikit-learn"}

UNSAFE_MODULES = {"pickle", "_pickle", "dill", "cloudpickle", "joblib", "jsonpickle", "marshal", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "torch.load", "torch.save", "torch.hub.load"}
NETWORK_MODULES = {
    "aiohttp",
    "ftplib",
    "http.client",
    "httpx",
    "huggingface_hub",
    "pooch",
    "requests",
    "smtplib",
    "socket",
    "torch.hub",
    "urllib.request",
    "urllib3",
    "xmlrpc",
}
# Submodules among these that `from package import name` can reach.
NETWORK_SUBMODULES = {name for name in NETWORK_MODULES if "." in name}

LIBRARY_MUST_NOT_CALL = {
    "print",
    "input",
    "exit",
    "quit",
    "sys.exit",
    "os._exit",
    "np.random.seed",
    "numpy.random.seed",
    "random.seed",
    "torch.set_default_device",
    "torch.set_default_dtype",
    "torch.set_float32_matmul_precision",
    "torch.set_grad_enabled",
    "torch.set_num_interop_threads",
    "torch.set_num_threads",
    "torch.use_deterministic_algorithms",
}
# Within `with torch.random.fork_rng():` these touch nothing global.
SEEDS = {"torch.manual_seed", "torch.seed"}

IMPORT_CALLS = {"importlib.import_module", "import_module", "__import__"}
COMPUTED = "a computed name"

FILE_LINES, FUNCTION_LINES = 400, 60


@dataclass(frozen=True)
class Source:
    """A file of a tree: its path there, the name it is imported by, its text and syntax."""

    path: str
    module: str
    text: str
    tree: ast.Module


@dataclass(frozen=True)
class Import:
    """One imported module; ``late`` if the import waits for a call, or is for type checkers only."""

    source: Source
    line: int
    module: str
    late: bool

    @property
    def text(self) -> str:
        return self.source.text.splitlines()[self.line - 1]

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}: imports {self.module}"


def read_sources(root: Path) -> dict[str, Source]:
    """Read every Python file of the packages, by module name."""
    sources = {}
    for folder, package in PACKAGES.items():
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            module = ".".join([package, *(part for part in parts if part != "__init__")])
            text = path.read_text(encoding="utf-8")
            sources[module] = Source(path.relative_to(root).as_posix(), module, text, ast.parse(text))
    return sources


def read_imports(sources: dict[str, Source]) -> list[Import]:
    """Find every import: statements, wherever they stand, and ``importlib.import_module("...")``."""
    found = []
    for source in sources.values():
        for node, late in walk_with_lateness(source.tree):
            for name in imported_names(node, sources):
                found.append(Import(source, node.lineno, name, late))
    return found


def walk_with_lateness(node: ast.AST, late: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node, and whether it runs later than the import of its module."""
    yield node, late
    for child in ast.iter_child_nodes(node):
        in_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        yield from walk_with_lateness(child, late or in_function or for_checkers)


def imported_names(node: ast.AST, sources: dict[str, Source]) -> list[str]:
    """Name the modules that a node imports; of ``from a import b`` it is a.b if that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.level:
            return ["." * node.level + (node.module or "")]
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        return [name if name in NETWORK_SUBMODULES or name in sources else node.module for name in names]
    if isinstance(node, ast.Call) and ast.unparse(node.func) in IMPORT_CALLS:
        argument = node.args[0] if node.args else None
        return [argument.value if isinstance(argument, ast.Constant) else COMPUTED]
    return []


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def unit_of(module: str) -> str | None:
    """The unit of LEVELS that a module belongs to: the longest name that fits."""
    if module == "wavecore":
        return module
    return max((unit for unit in LEVELS if unit != "wavecore" and is_in(module, unit)), key=len, default=None)


def library_of(item: Import) -> str:
    return item.module.partition(".")[0]


def called_names(source: Source) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


# The rules


def every_module_has_a_level(root: Path) -> list[str]:
    sources = read_sources(root).values()
    return [f"{source.path}: has no place in LEVELS" for source in sources if unit_of(source.module) is None]


def imports_go_down(root: Path) -> list[str]:
    bad = []
    for item in inner_imports(root):
        importer, imported = unit_of(item.source.module), unit_of(item.module)
        if importer is None or importer == imported:
            continue  # a module without a level is found by the rule above
        if imported is None or LEVELS[imported] >= LEVELS[importer]:
            bad.append(f"{item}, which is not below {importer}")
        elif importer in ONLY and not any(is_in(item.module, allowed) for allowed in ONLY[importer]):
            bad.append(f"{item}; {importer} may import {sorted(ONLY[importer])} only")
        elif importer not in IMPORTERS.get(imported, {importer}):
            bad.append(f"{item}; only {sorted(IMPORTERS[imported])} may")
    return bad


def inner_imports(root: Path) -> list[Import]:
    """Imports of wavecore by wavecore; the version may be asked for at the front door by all."""
    found = [item for item in read_imports(read_sources(root)) if is_in(item.module, "wavecore")]
    return [item for item in found if "from wavecore import __version__" not in item.text]


def imports_are_plain(root: Path) -> list[str]:
    """Absolute names; computed ones at the front door and in the command line only."""
    bad = []
    for item in read_imports(read_sources(root)):
        may_compute = item.source.module == "wavecore" or is_in(item.source.module, "wavecore.cli")
        if item.module.startswith(".") or (item.module == COMPUTED and not may_compute):
            bad.append(str(item))
    return bad


def heavy_libraries_are_imported_where_used(root: Path) -> list[str]:
    bad = []
    for item in read_imports(read_sources(root)):
        library = library_of(item)
        allowed = COMPILED.get(item.source.module, set())
        if not item.late and library in LATE - allowed:
            bad.append(f"{item} at its top; import it in the function that uses it")
        if not item.late and item.module in COMPILED and item.source.module not in COMPILED:
            bad.append(f"{item}, which is compiled code, at its top; import it in the function that uses it")
    return bad


def kernels_know_few_libraries(root: Path) -> list[str]:
    return [
        str(item)
        for item in outer_imports(root)
        if is_in(item.source.module, "wavecore.kernels") and library_of(item) not in KERNEL_LIBRARIES
    ]


def libraries_are_declared(root: Path) -> list[str]:
    nodes = ast.walk(ast.parse((root / "setup.py").read_text(encoding="utf-8")))
    strings = [node.value for node in nodes if isinstance(node, ast.Constant)]
    matches = [re.match(r"([A-Za-z][\w.-]*)\s*[<>=!~]", str(text)) for text in strings]
    declared = {match.group(1).lower() for match in matches if match}
    bad = []
    for item in outer_imports(root):
        library = library_of(item)
        if DISTRIBUTIONS.get(library, library).lower() not in declared:
            bad.append(f"{item}, which setup.py does not require")
    return bad


def outer_imports(root: Path) -> list[Import]:
    """Imports of what is neither wavecore nor Python's own."""
    own = {"wavecore", COMPUTED, ""} | set(sys.stdlib_module_names)
    return [item for item in read_imports(read_sources(root)) if library_of(item) not in own]


def training_needs_few_libraries(root: Path) -> list[str]:
    """Follow the imports that run when a training module is imported, packages included."""
    sources = read_sources(root)
    imports: dict[str, list[Import]] = {}
    for item in read_imports(sources):
        if not item.late:
            imports.setdefault(item.source.module, []).append(item)
    start = [name for name in sources if any(is_in(name, package) for package in TRAINING_SIDE)]
    seen, waiting, bad = set(), start, []
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        waiting += [parent for parent in parents(module) if parent in sources]
        for item in imports.get(module, []):
            library = library_of(item)
            if item.module in sources:
                waiting.append(item.module)
            elif library not in TRAINING_LIBRARIES | set(sys.stdlib_module_names) | {"wavecore"}:
                bad.append(f"{item}, and the training side needs this file")
    return sorted(bad)


def parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def nothing_is_unpickled_or_evaluated(root: Path) -> list[str]:
    sources = read_sources(root)
    bad = [str(item) for item in read_imports(sources) if library_of(item) in UNSAFE_MODULES]
    for source in sources.values():
        calls = called_names(source)
        bad += [f"{source.path}:{line}: calls {name}" for line, name in calls if name in UNSAFE_CALLS]
        for node in ast.walk(source.tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                    bad.append(f"{source.path}:{node.value.lineno}: allows pickles")
    return bad


def nothing_reaches_the_network(root: Path) -> list[str]:
    imports = read_imports(read_sources(root))
    return [str(item) for item in imports if any(is_in(item.module, name) for name in NETWORK_MODULES)]


def only_the_command_line_prints_exits_or_sets_globals(root: Path) -> list[str]:
    bad = []
    for source in read_sources(root).values():
        if is_in(source.module, "wavecore.cli"):
            continue
        forked = [
            range(node.lineno, node.end_lineno + 1)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.With) and any("fork_rng" in ast.unparse(item) for item in node.items)
        ]
        for line, name in called_names(source):
            seeds_for_all = name in SEEDS and not any(line in lines for lines in forked)
            if name in LIBRARY_MUST_NOT_CALL or seeds_for_all:
                bad.append(f"{source.path}:{line}: calls {name}")
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("torch.backends."):
                bad.append(f"{source.path}:{node.lineno}: sets {ast.unparse(node.targets[0])}")
    return bad


def every_source_file_has_its_test_file(root: Path) -> list[str]:
    bad = []
    for source in read_sources(root).values():
        path = Path(source.path)
        mirror = Path("tests") / path.parent / f"test_{path.name}"
        if path.stem not in ("__init__", "__main__") and not (root / mirror).is_file():
            bad.append(f"{source.path}: {mirror.as_posix()} is missing")
    return bad


def files_and_functions_are_short(root: Path) -> list[str]:
    bad = []
    for source in read_sources(root).values():
        n_lines = len(source.text.splitlines())
        if n_lines > FILE_LINES:
            bad.append(f"{source.path}: {n_lines} lines; {FILE_LINES} at most")
        for node in ast.walk(source.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                jitted = any("jit" in ast.unparse(decorator) for decorator in node.decorator_list)
                if not jitted and body_lines(node) > FUNCTION_LINES:
                    bad.append(f"{source.path}:{node.lineno}: {node.name} has {body_lines(node)} lines")
    return bad


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body, its docstring left out."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def setup_py_lists_every_package(root: Path) -> list[str]:
    tree = ast.parse((root / "setup.py").read_text(encoding="utf-8"))
    values = {node.arg: node.value for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    listed = set(ast.literal_eval(values["packages"]))
    folders = {folder: package for package, folder in ast.literal_eval(values["package_dir"]).items()}
    present = set()
    for source in read_sources(root).values():
        is_package = source.path.endswith("/__init__.py")
        present.add(source.module if is_package else source.module.rpartition(".")[0])
    bad = [f"setup.py: lists {name}, which is not there" for name in sorted(listed - present)]
    bad += [f"setup.py: does not list {name}" for name in sorted(present - listed)]
    if folders != PACKAGES:
        bad.append(f"setup.py: maps {folders}, not {PACKAGES}")
    return bad


RULES = (
    every_module_has_a_level,
    imports_go_down,
    imports_are_plain,
    heavy_libraries_are_imported_where_used,
    kernels_know_few_libraries,
    libraries_are_declared,
    training_needs_few_libraries,
    nothing_is_unpickled_or_evaluated,
    nothing_reaches_the_network,
    only_the_command_line_prints_exits_or_sets_globals,
    every_source_file_has_its_test_file,
    files_and_functions_are_short,
    setup_py_lists_every_package,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule):
    bad = rule(ROOT)
    assert not bad, "\n" + "\n".join(bad)


def test_the_whole_house_is_read():
    sources = read_sources(ROOT)
    assert {"wavecore", "wavecore.errors", "wavecore.kernels.sampling", "wavecore.datasets"} <= set(sources)
    assert any(item.module == "wavecore.errors" for item in read_imports(sources))


SETUP = """
setup(
    packages=["wavecore", "wavecore.audio", "wavecore.kernels", "wavecore.datasets"],
    package_dir={"wavecore": "wavecore", "wavecore.kernels": "kernels", "wavecore.datasets": "datasets"},
    install_requires=["numpy>=1", "torch>=2", "numba>=0.6", "soxr>=0.5", "requests>=2", "pandas>=1"],
)
"""

HOUSE = {
    "setup.py": SETUP,
    "wavecore/__init__.py": "import importlib\n\ndef f(name):\n    return importlib.import_module(name)\n",
    "wavecore/errors.py": "class WavecoreError(Exception):\n    pass\n",
    "wavecore/audio/__init__.py": "",
    "wavecore/audio/mulaw.py": "import numpy\nfrom wavecore import errors\n\ndef f():\n    import soxr\n",
    "wavecore/nn/generate.py": "from wavecore.kernels import sampling\nfrom wavecore import __version__\n",
    "kernels/__init__.py": "",
    "kernels/sampling.py": "import math\nimport numpy as np\nfrom wavecore.errors import WavecoreError\n",
    "kernels/cpu/numba_ops.py": "import numba\n",
    "datasets/__init__.py": "",
    "datasets/domains/reader.py": "import numpy\nfrom wavecore.audio import mulaw\n",
    "tests/wavecore/test_errors.py": "",
    "tests/wavecore/nn/test_generate.py": "",
    "tests/wavecore/audio/test_mulaw.py": "",
    "tests/kernels/test_sampling.py": "",
    "tests/kernels/cpu/test_numba_ops.py": "",
    "tests/datasets/domains/test_reader.py": "",
}

LONG_FUNCTION = "def f(x):\n" + "    x += 1\n" * 61
MULAW, GENERATE, DRAW = "wavecore/audio/mulaw.py", "wavecore/nn/generate.py", "kernels/sampling.py"

# Rule, file, what is written there, and a part of what the rule must say of it.
PLANTED = [
    (every_module_has_a_level, "wavecore/helpers.py", "", "wavecore/helpers.py: has no place"),
    (imports_go_down, "wavecore/errors.py", "import wavecore.audio.mulaw\n", "errors.py:1: imports"),
    (imports_go_down, MULAW, "def f():\n    from wavecore import generate\n", "mulaw.py:2: imports"),
    (imports_go_down, MULAW, "from wavecore import load_model\n", "imports wavecore, which is not below"),
    (imports_go_down, "wavecore/symbolic/score.py", "import wavecore.audio\n", "symbolic may import"),
    (imports_go_down, DRAW, "from wavecore.models import wavenet\n", "kernels may import"),
    (imports_go_down, "datasets/domains/reader.py", "from wavecore.symbolic import tokens\n", "datasets may import"),
    (
        imports_go_down,
        "wavecore/models/translation/translate.py",
        "import wavecore.kernels.sampling\n",
        "only ['wavecore.gen",
    ),
    (imports_go_down, "wavecore/nn/wavenet.py", "import wavecore.checkpoint\n", "is not below"),
    (imports_go_down, "wavecore/plots/audio.py", "import wavecore.symbolic.score\n", "'wavecore.training'] may"),
    (imports_are_plain, MULAW, "from . import files\n", "imports ."),
    (imports_are_plain, GENERATE, "import importlib\nimportlib.import_module(name)\n", "a computed name"),
    (heavy_libraries_are_imported_where_used, MULAW, "import soxr\n", "mulaw.py:1: imports soxr"),
    (heavy_libraries_are_imported_where_used, MULAW, "class A:\n    import librosa\n", "imports librosa"),
    (heavy_libraries_are_imported_where_used, DRAW, "import numba\n", "sampling.py:1: imports numba"),
    (heavy_libraries_are_imported_where_used, "kernels/cpu/numba_ops.py", "import triton\n", "imports triton"),
    (heavy_libraries_are_imported_where_used, DRAW, "import wavecore.kernels.cpu.numba_ops\n", "compiled"),
    (kernels_know_few_libraries, DRAW, "def f():\n    import scipy\n", "sampling.py:2: imports scipy"),
    (libraries_are_declared, MULAW, "def f():\n    import sklearn.svm\n", "imports sklearn.svm"),
    (training_needs_few_libraries, MULAW, "from wavecore.audio import files\n", "audio/files.py:1"),
    (training_needs_few_libraries, "wavecore/audio/__init__.py", "import scipy\n", "audio/__init__.py:1"),
    (nothing_is_unpickled_or_evaluated, GENERATE, "from pickle import loads\n", "imports pickle"),
    (nothing_is_unpickled_or_evaluated, GENERATE, "import torch\ntorch.load(x)\n", "calls torch.load"),
    (nothing_is_unpickled_or_evaluated, GENERATE, "def f(x):\n    return eval(x)\n", "calls eval"),
    (nothing_is_unpickled_or_evaluated, GENERATE, "np.load(p, allow_pickle=yes)\n", "allows pickles"),
    (nothing_reaches_the_network, GENERATE, "def f():\n    import requests\n", "imports requests"),
    (nothing_reaches_the_network, GENERATE, "from urllib import request\n", "imports urllib.request"),
    (nothing_reaches_the_network, GENERATE, "from http.client import f\n", "imports http.client"),
    (only_the_command_line_prints_exits_or_sets_globals, GENERATE, "print(1)\n", "calls print"),
    (only_the_command_line_prints_exits_or_sets_globals, GENERATE, "torch.manual_seed(1)\n", "calls torch"),
    (only_the_command_line_prints_exits_or_sets_globals, GENERATE, "torch.backends.a.b = 1\n", "sets torch."),
    (every_source_file_has_its_test_file, "kernels/packing.py", "", "tests/kernels/test_packing.py is"),
    (files_and_functions_are_short, GENERATE, "x = 1\n" * 401, "generate.py: 401 lines"),
    (files_and_functions_are_short, GENERATE, LONG_FUNCTION, "generate.py:1: f has 61 lines"),
    (setup_py_lists_every_package, "wavecore/plots/__init__.py", "", "does not list wavecore.plots.audio"),
    (setup_py_lists_every_package, "kernels/native/build.py", "", "does not list wavecore.kernels.native"),
    (setup_py_lists_every_package, "setup.py", SETUP.replace(".audio", ".sound"), "lists wavecore.sound"),
    (setup_py_lists_every_package, "setup.py", SETUP.replace('"kernels"', '"k"'), "maps"),
]


def build_house(folder: Path, changes: dict[str, str]) -> Path:
    for name, text in (HOUSE | {"wavecore/audio/files.py": "import pandas\n", **changes}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "tests/wavecore/audio/test_files.py").touch()
    return folder


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_clean_house_is_called_clean(rule, tmp_path):
    assert rule(build_house(tmp_path, {})) == []


@pytest.mark.parametrize(("rule", "name", "text", "message"), PLANTED)
def test_a_planted_violation_is_found(rule, name, text, message, tmp_path):
    bad = rule(build_house(tmp_path, {name: text}))
    assert any(message in line for line in bad), bad


def test_every_rule_has_a_planted_violation():
    assert {rule for rule, *_ in PLANTED} == set(RULES)


def test_compiled_functions_may_be_long(tmp_path):
    root = build_house(tmp_path, {"kernels/cpu/numba_ops.py": "@jit\n" + LONG_FUNCTION})
    assert files_and_functions_are_short(root) == []


def test_a_seed_may_be_set_where_the_generator_is_forked(tmp_path):
    text = "def f():\n    with torch.random.fork_rng():\n        torch.manual_seed(1)\n"
    assert only_the_command_line_prints_exits_or_sets_globals(build_house(tmp_path, {GENERATE: text})) == []
