"""The house rules that can be read off the source, held for every file.

Each rule is a function from a source tree to a list of violations.  The last
tests plant one violation per rule in a small tree and see it found, so that a
rule cannot fall asleep.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Folder in the repository -> package it is installed as; setup.py says the same.
PACKAGES = {"wavecore": "wavecore", "kernels": "wavecore.kernels", "datasets": "wavecore.datasets"}

# Every unit may import itself and units of lower layers.
LAYERS = (
    ("wavecore.errors",),
    ("wavecore.configuration", "wavecore.registry", "wavecore.audio", "wavecore.symbolic"),
    ("wavecore.kernels", "wavecore.datasets", "wavecore.metrics"),
    ("wavecore.nn", "wavecore.plots"),
    ("wavecore.checkpoint",),
    ("wavecore.training", "wavecore.models.base"),
    ("wavecore.console", "wavecore.benchmark"),
    ("wavecore.models",),
    ("wavecore.rendering",),
    ("wavecore.cli", "wavecore.pretrained"),  # pretrained is data: it imports nothing
    ("wavecore",),  # the front door: names of all layers, none imported before it is used
)
LEVELS = {unit: level for level, units in enumerate(LAYERS) for unit in units}

# Some units may import less than their layer allows: these modules, and nothing else of wavecore.
ONLY = {
    "wavecore.audio": {"wavecore.errors"},
    "wavecore.symbolic": {"wavecore.errors"},
    "wavecore.kernels": {"wavecore.errors"},
    "wavecore.metrics": {"wavecore.errors", "wavecore.audio"},
    "wavecore.datasets": {"wavecore.errors", "wavecore.audio", "wavecore.symbolic"},
    "wavecore.pretrained": set(),
}

# Some units may be imported by few: one door leads to the kernels.
IMPORTERS = {"wavecore.kernels": {"wavecore.nn"}}

# One system, one room: a room may use what all share, and the rooms of a lower order.
SHARED_BY_ROOMS = "wavecore.models.base"
ROOM_ORDER = {"note_classifier": 1, "spectral": 1, "translation": 2, "nsynth": 3, "melody_evaluation": 2}
"""Rooms that are not named have order 1."""

# The files of a room; others may stand beside them.
ROOM_FILES = {"model.py", "config.py", "train.py", "api.py"}

# Compiled code needs its compiler from the first line on; such a module is imported where it is used.
COMPILED = {
    "wavecore.kernels.cpu.numba_ops": {"numba", "llvmlite"},
    "wavecore.kernels.triton.latency_ops": {"triton"},
    "wavecore.kernels.triton.layers_ops": {"triton"},
    "wavecore.kernels.triton.throughput_ops": {"triton"},
    "wavecore.kernels.triton.words": {"triton"},
}

# What a machine may lack, or what takes long to load, is imported where it is used.
LATE = {
    "crc32c",
    "fluidsynth",
    "google",
    "librosa",
    "llvmlite",
    "matplotlib",
    "mir_eval",
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
DISTRIBUTIONS = {"fluidsynth": "pyfluidsynth", "google": "protobuf", "llvmlite": "numba", "sklearn": "scikit-learn"}

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

FUNCTION_LINES = 60


@dataclass(frozen=True)
class Source:
    """A file of a tree: its path there, the name it is imported by, its text and syntax."""

    path: str
    module: str
    text: str
    tree: ast.Module


@dataclass(frozen=True)
class Import:
    """One imported module; ``late`` if the import waits for a call, ``typing`` if it is for type checkers only."""

    source: Source
    line: int
    module: str
    late: bool
    typing: bool = False

    @property
    def text(self) -> str:
        return self.source.text.splitlines()[self.line - 1]

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}: imports {self.module}"


@functools.cache
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


@functools.cache
def imports_of(root: Path) -> list[Import]:
    """Return all imports below a root, read once."""
    return read_imports(read_sources(root))


def read_imports(sources: dict[str, Source]) -> list[Import]:
    """Find every import: statements, wherever they stand, and ``importlib.import_module("...")``."""
    found = []
    for source in sources.values():
        for node, late, typing in walk_with_lateness(source.tree):
            for name in imported_names(node, sources):
                found.append(Import(source, node.lineno, name, late, typing))
    return found


def walk_with_lateness(node: ast.AST, late: bool = False, typing: bool = False) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Yield every node, whether it runs later than the import of its module, and whether only type checkers run it."""
    yield node, late, typing
    for child in ast.iter_child_nodes(node):
        in_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        yield from walk_with_lateness(child, late or in_function or for_checkers, typing or for_checkers)


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


def rooms_are_apart(root: Path) -> list[str]:
    """A system's folder imports no other system's, but those of a lower order; one place is shared by all."""
    bad = []
    for item in inner_imports(root):
        room, other = room_of(item.source.module), room_of(item.module)
        if room is None or other is None or room == other or is_in(item.module, SHARED_BY_ROOMS):
            continue
        if room == "base" or ROOM_ORDER.get(other, 1) >= ROOM_ORDER.get(room, 1):
            bad.append(f"{item}; the room {room} may not know {other}")
    return bad


def room_of(module: str) -> str | None:
    """Name the folder, or the shared module, below wavecore.models that a module belongs to."""
    parts = module.split(".")
    return parts[2] if parts[:2] == ["wavecore", "models"] and len(parts) > 2 else None


def rooms_have_their_files(root: Path) -> list[str]:
    """A room reads the same as every other."""
    bad = []
    for folder in sorted((root / "wavecore/models").iterdir() if (root / "wavecore/models").is_dir() else ()):
        if folder.is_dir() and (folder / "model.py").is_file():
            missing = ROOM_FILES - {path.name for path in folder.iterdir()}
            if not (folder / "commands.py").is_file() and not (folder / "commands").is_dir():
                missing = missing | {"commands.py"}
            bad += [f"{folder.relative_to(root).as_posix()}/{name} is missing" for name in sorted(missing)]
    return bad


def imports_are_no_circle(root: Path) -> list[str]:
    """No module imports itself by way of others while it is imported; folders form no circle, as imports go down."""
    sources = read_sources(root)
    graph: dict[str, set[str]] = {name: set() for name in sources}
    for item in read_imports(sources):
        of_others = item.module in sources and item.module != item.source.module
        if not item.late and of_others and "from wavecore import __version__" not in item.text:
            graph[item.source.module].add(item.module)
    return [f"a circle of imports: {' -> '.join(circle)}" for circle in circles(graph)]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return a circle for each start from which one is found first, depth first."""
    state: dict[str, int] = {}
    found: list[list[str]] = []

    def visit(node: str, path: list[str]) -> None:
        state[node] = 1
        for other in sorted(graph[node]):
            if state.get(other) == 1:
                found.append([*path[path.index(other) :], other] if other in path else [node, other])
            elif other not in state:
                visit(other, [*path, other])
        state[node] = 2

    for start in sorted(graph):
        if start not in state:
            visit(start, [start])
    return found


def inner_imports(root: Path) -> list[Import]:
    """Imports of wavecore by wavecore; the version may be asked for at the front door by all."""
    found = [item for item in imports_of(root) if is_in(item.module, "wavecore")]
    return [item for item in found if "from wavecore import __version__" not in item.text]


def imports_are_plain(root: Path) -> list[str]:
    """Absolute names; computed ones at the front door, in the registry and in the command line only."""
    bad = []
    for item in imports_of(root):
        may_compute = item.source.module in ("wavecore", "wavecore.registry") or is_in(
            item.source.module, "wavecore.cli"
        )
        if item.module.startswith(".") or (item.module == COMPUTED and not may_compute):
            bad.append(str(item))
    return bad


def heavy_libraries_are_imported_where_used(root: Path) -> list[str]:
    bad = []
    for item in imports_of(root):
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
    return [item for item in imports_of(root) if library_of(item) not in own]


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
            allows = isinstance(node, ast.keyword) and node.arg == "allow_pickle"
            if allows and not (isinstance(node.value, ast.Constant) and node.value.value is False):
                bad.append(f"{source.path}:{node.value.lineno}: allows pickles")
    return bad


def nothing_reaches_the_network(root: Path) -> list[str]:
    imports = imports_of(root)
    return [str(item) for item in imports if any(is_in(item.module, name) for name in NETWORK_MODULES)]


def only_the_command_line_prints_exits_or_sets_globals(root: Path) -> list[str]:
    bad = []
    for source in read_sources(root).values():
        if any(is_in(source.module, package) for package in ("wavecore.cli", "wavecore.console")):
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
        # Configurations hold no logic of their own: test_configuration.py and the contract over all kinds check them.
        if path.stem not in ("__init__", "__main__", "config") and not (root / mirror).is_file():
            bad.append(f"{source.path}: {mirror.as_posix()} is missing")
    return bad


def functions_are_short(root: Path) -> list[str]:
    bad = []
    for source in read_sources(root).values():
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
    rooms_are_apart,
    rooms_have_their_files,
    imports_are_no_circle,
    imports_are_plain,
    heavy_libraries_are_imported_where_used,
    kernels_know_few_libraries,
    libraries_are_declared,
    training_needs_few_libraries,
    nothing_is_unpickled_or_evaluated,
    nothing_reaches_the_network,
    only_the_command_line_prints_exits_or_sets_globals,
    every_source_file_has_its_test_file,
    functions_are_short,
    setup_py_lists_every_package,
)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule):
    bad = rule(ROOT)
    assert not bad, "\n" + "\n".join(bad)


@pytest.mark.slow
def test_the_whole_house_is_read():
    sources = read_sources(ROOT)
    assert {"wavecore", "wavecore.errors", "wavecore.kernels.sampling", "wavecore.datasets"} <= set(sources)
    assert any(item.module == "wavecore.errors" for item in read_imports(sources))


SETUP = """
setup(
    packages=["wavecore", "wavecore.audio", "wavecore.models", "wavecore.models.gan", "wavecore.models.lstm",
              "wavecore.nn",
              "wavecore.kernels", "wavecore.kernels.cpu", "wavecore.datasets"],
    package_dir={"wavecore": "wavecore", "wavecore.kernels": "kernels", "wavecore.datasets": "datasets"},
    install_requires=["numpy>=1", "torch>=2", "numba>=0.6", "soxr>=0.5", "requests>=2", "pandas>=1"],
)
"""

ROOM = {
    f"wavecore/models/gan/{name}": ""
    for name in ("__init__.py", "model.py", "config.py", "train.py", "api.py", "commands.py")
}
HOUSE = {
    "setup.py": SETUP,
    "wavecore/__init__.py": "import importlib\n\ndef f(name):\n    return importlib.import_module(name)\n",
    "wavecore/errors.py": "class WavecoreError(Exception):\n    pass\n",
    "wavecore/audio/__init__.py": "",
    "wavecore/audio/mulaw.py": "import numpy\nfrom wavecore import errors\n\ndef f():\n    import soxr\n",
    "wavecore/models/__init__.py": "",
    "wavecore/models/base.py": "",
    "wavecore/models/lstm/__init__.py": "",
    "wavecore/models/lstm/sample.py": "from wavecore.models import base\n",
    "wavecore/nn/__init__.py": "",
    "wavecore/nn/generate.py": "from wavecore.kernels import sampling\nfrom wavecore import __version__\n",
    "kernels/__init__.py": "",
    "kernels/cpu/__init__.py": "",
    "kernels/sampling.py": "import math\nimport numpy as np\nfrom wavecore.errors import WavecoreError\n",
    "kernels/cpu/numba_ops.py": "import numba\n",
    "datasets/__init__.py": "",
    "datasets/songs.py": "import numpy\nfrom wavecore.audio import mulaw\n",
    **ROOM,
    "tests/wavecore/test_errors.py": "",
    "tests/wavecore/nn/test_generate.py": "",
    "tests/wavecore/audio/test_mulaw.py": "",
    "tests/wavecore/models/test_base.py": "",
    "tests/wavecore/models/lstm/test_sample.py": "",
    **{f"tests/wavecore/models/gan/test_{name}.py": "" for name in ("model", "train", "api", "commands")},
    "tests/kernels/test_sampling.py": "",
    "tests/kernels/cpu/test_numba_ops.py": "",
    "tests/datasets/test_songs.py": "",
}

LONG_FUNCTION = "def f(x):\n" + "    x += 1\n" * 61
MULAW, GENERATE, DRAW = "wavecore/audio/mulaw.py", "wavecore/nn/generate.py", "kernels/sampling.py"
NUMBA, SONGS, LSTM = "kernels/cpu/numba_ops.py", "datasets/songs.py", "wavecore/models/lstm/sample.py"

# Rule, file, what is written there, and a part of what the rule must say of it.
PLANTED = [
    (every_module_has_a_level, "wavecore/helpers.py", "", "wavecore/helpers.py: has no place"),
    (imports_go_down, "wavecore/errors.py", "import wavecore.audio.mulaw\n", "errors.py:1: imports"),
    (imports_go_down, MULAW, "def f():\n    from wavecore.nn import generate\n", "mulaw.py:2: imports"),
    (imports_go_down, MULAW, "from wavecore import load\n", "imports wavecore, which is not below"),
    (imports_go_down, "wavecore/symbolic/score.py", "import wavecore.audio\n", "which is not below wavecore.symbolic"),
    (imports_go_down, DRAW, "from wavecore.audio import mulaw\n", "kernels may import"),
    (imports_go_down, SONGS, "import wavecore.registry\n", "datasets may import"),
    (imports_go_down, "wavecore/checkpoint.py", "import wavecore.kernels.sampling\n", "only ['wavecore.nn"),
    (imports_go_down, "wavecore/training/loop.py", "import wavecore.models.base\n", "is not below"),
    (rooms_are_apart, LSTM, "import wavecore.models.gan.model\n", "the room lstm may not"),
    (rooms_are_apart, "wavecore/models/base.py", "import wavecore.models.gan.model\n", "the room base may not"),
    (rooms_have_their_files, "wavecore/models/lstm/model.py", "", "lstm/commands.py is missing"),
    (imports_are_no_circle, MULAW, "from wavecore.audio import files\n", "files -> wavecore.audio.mulaw"),
    (imports_are_plain, MULAW, "from . import files\n", "imports ."),
    (imports_are_plain, GENERATE, "import importlib\nimportlib.import_module(name)\n", "a computed name"),
    (heavy_libraries_are_imported_where_used, MULAW, "import soxr\n", "mulaw.py:1: imports soxr"),
    (heavy_libraries_are_imported_where_used, MULAW, "class A:\n    import librosa\n", "imports librosa"),
    (heavy_libraries_are_imported_where_used, DRAW, "import numba\n", "sampling.py:1: imports numba"),
    (heavy_libraries_are_imported_where_used, NUMBA, "import triton\n", "imports triton"),
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
    (functions_are_short, GENERATE, LONG_FUNCTION, "generate.py:1: f has 61 lines"),
    (setup_py_lists_every_package, "wavecore/plots/__init__.py", "", "does not list wavecore.plots"),
    (setup_py_lists_every_package, "kernels/triton/build.py", "", "does not list wavecore.kernels.triton"),
    (setup_py_lists_every_package, "setup.py", SETUP.replace(".audio", ".sound"), "lists wavecore.sound"),
    (setup_py_lists_every_package, "setup.py", SETUP.replace('"kernels"', '"k"'), "maps"),
]


def build_house(folder: Path, changes: dict[str, str]) -> Path:
    for name, text in (
        HOUSE | {"wavecore/audio/files.py": "import pandas\nfrom wavecore.audio import mulaw\n", **changes}
    ).items():
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
    root = build_house(tmp_path, {NUMBA: "@jit\n" + LONG_FUNCTION})
    assert functions_are_short(root) == []


def test_a_seed_may_be_set_where_the_generator_is_forked(tmp_path):
    text = "def f():\n    with torch.random.fork_rng():\n        torch.manual_seed(1)\n"
    assert only_the_command_line_prints_exits_or_sets_globals(build_house(tmp_path, {GENERATE: text})) == []
