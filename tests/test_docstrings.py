"""Docstrings: everything public has one that fits its signature, and the public interface is documented in full.

Public is what has no leading underscore.  Sections of a numpydoc docstring name parameters or fields that exist,
arrays with their shape; entries that would only repeat the annotation may be left out.  What
``wavecore`` itself offers (``wavecore.__all__``) documents every parameter, its result, and an example that runs.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import wavecore
from wavecore import registry

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("wavecore", "kernels", "datasets")

# A docstring is needed here, but no sections: the verbs of the command line are documented by their
# help, and compiled loops are called by the one class that owns them.
PLAIN = ("wavecore/cli/", "kernels/cpu/numba_ops.py")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Entry:
    """One entry of a section: ``names : kind`` and the lines under it."""

    names: tuple[str, ...]
    kind: str
    text: str


def violations(root: Path) -> list[str]:
    """Read every file of the packages under a root and list what is amiss."""
    bad = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if tree.body:  # an empty __init__.py needs no words
                bad += [f"{name}:{line}: {message}" for line, message in check_module(tree)]
    return bad


def check_module(tree: ast.Module) -> Iterator[tuple[int, str]]:
    if not ast.get_docstring(tree):
        yield 1, "the module has no docstring"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from check_class(node)
        elif isinstance(node, Function) and is_public(node.name):
            yield from check_function(node, node.name)


def check_class(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    docstring = ast.get_docstring(node)
    if not docstring:
        yield node.lineno, f"{node.name} has no docstring"
        return
    sections = parse_sections(docstring)
    fields = record_fields(node)
    if fields is not None:
        section = "Attributes" if "Attributes" in sections else "Parameters"
        yield from check_names(node, node.name, section, fields, sections)
    for method in node.body:
        if isinstance(method, Function) and method.name == "__init__" and fields is None:
            yield from check_names(node, node.name, "Parameters", parameters(method)[1:], sections)
        if isinstance(method, Function) and is_public(method.name):
            yield from check_function(method, f"{node.name}.{method.name}", in_class=True)


def check_function(node: Function, name: str, *, in_class: bool = False) -> Iterator[tuple[int, str]]:
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    if decorators & {"overload", "setter", "deleter"}:
        return  # documented where it is implemented, or read
    docstring = ast.get_docstring(node)
    if not docstring:
        yield node.lineno, f"{name} has no docstring"
        return
    sections = parse_sections(docstring)
    found = parameters(node)[1:] if in_class and "staticmethod" not in decorators else parameters(node)
    yield from check_names(node, name, "Parameters", found, sections)
    yield from check_result(node, name, sections)


def check_names(
    node: ast.AST, name: str, section: str, wanted: list[tuple[str, str]], sections: dict[str, str]
) -> Iterator[tuple[int, str]]:
    """Compare a section with the parameters or fields and their annotations."""
    entries = parse_entries(sections.get(section, ""))
    documented = [entry_name for entry in entries for entry_name in entry.names]
    known = [wanted_name for wanted_name, _ in wanted]
    if len(set(documented)) < len(documented) or set(documented) - set(known):
        yield node.lineno, f"{name}: {section} names {documented}, not some of {known}, each once"
        return
    annotations = dict(wanted)
    for entry in entries:
        is_array = any(map(holds_array, [entry.kind, *(annotations[each] for each in entry.names)]))
        elsewhere = "As of ``" in entry.text  # documented where it is first taken
        if is_array and not elsewhere and not names_shape(entry.kind + entry.text):
            yield node.lineno, f"{name}: {', '.join(entry.names)} is an array and no shape is given"


def check_result(node: Function, name: str, sections: dict[str, str]) -> Iterator[tuple[int, str]]:
    documented = sections.get("Returns", "") + sections.get("Yields", "")
    if not returns_something(node) and documented.strip():
        yield node.lineno, f"{name}: returns nothing and documents it"
    annotation = ast.unparse(node.returns) if node.returns else ""
    if documented and holds_array(annotation) and not names_shape(documented):
        yield node.lineno, f"{name}: returns an array and no shape is given"


def is_public(name: str) -> bool:
    return not name.startswith("_")


def holds_array(kind: str) -> bool:
    """Whether a type is an array that has a shape to tell.

    The values of a mapping have no one shape; what takes a number as well works
    element by element, on any shape.
    """
    first = kind.partition(", ")[0].lower()
    shapeless = re.search(r"\b(dict|mapping|callable|int|float|scalar)\b", first)
    return bool(re.search(r"\b(ndarray|Tensor)\b", kind)) and not shapeless


def names_shape(text: str) -> bool:
    return bool(re.search(r"\bshapes?\b", text))


def parameters(node: Function) -> list[tuple[str, str]]:
    """The names of a function's parameters, with stars, and their annotations."""
    given = node.args
    found = [*given.posonlyargs, *given.args]
    found += [ast.arg("*" + given.vararg.arg, given.vararg.annotation)] if given.vararg else []
    found += given.kwonlyargs
    found += [ast.arg("**" + given.kwarg.arg, given.kwarg.annotation)] if given.kwarg else []
    return [(arg.arg, ast.unparse(arg.annotation) if arg.annotation else "") for arg in found]


def record_fields(node: ast.ClassDef) -> list[tuple[str, str]] | None:
    """The public fields of a data class, a named tuple or a typed dictionary; None for other classes."""
    decorated = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
    derived = any(ast.unparse(base).endswith(("NamedTuple", "TypedDict")) for base in node.bases)
    if not (decorated or derived):
        return None
    declared = [item for item in node.body if isinstance(item, ast.AnnAssign)]
    fields = [(ast.unparse(item.target), ast.unparse(item.annotation)) for item in declared]
    return [(name, kind) for name, kind in fields if is_public(name) and "ClassVar" not in kind]


def returns_something(node: Function) -> bool:
    """By the annotation; where there is none, by the statements of the body."""
    if node.returns is not None:
        return ast.unparse(node.returns) not in ("None", "NoReturn", "Never")
    waiting, found = list(node.body), False
    while waiting:
        item = waiting.pop()
        found |= isinstance(item, ast.Yield | ast.YieldFrom)
        found |= isinstance(item, ast.Return) and item.value is not None
        if not isinstance(item, Function | ast.Lambda):  # what those return is their own affair
            waiting += ast.iter_child_nodes(item)
    return found


def parse_sections(docstring: str) -> dict[str, str]:
    """Split a docstring at its underlined headings."""
    lines = inspect.cleandoc(docstring).splitlines()
    heads = [i for i in range(len(lines) - 1) if lines[i].strip() and re.fullmatch(r"-{3,}", lines[i + 1])]
    ends = [*heads[1:], len(lines)]
    return {lines[start]: "\n".join(lines[start + 2 : end]) for start, end in zip(heads, ends, strict=False)}


def parse_entries(section: str) -> list[Entry]:
    """Read ``a, b : kind`` heads at the left margin and the indented lines under them."""
    entries: list[Entry] = []
    for line in section.splitlines():
        if line and not line[0].isspace():
            names, _, kind = line.partition(" : ")
            entries.append(Entry(tuple(name.strip() for name in names.split(",")), kind, ""))
        elif entries:
            last = entries[-1]
            entries[-1] = Entry(last.names, last.kind, f"{last.text}\n{line}")
    return entries


@pytest.mark.slow
def test_the_public_names_are_documented():
    bad = violations(ROOT)
    assert not bad, "\n" + "\n".join(bad)


GOOD = '''"""A module."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Some sizes.

    Attributes
    ----------
    width, height : int
        In pixels.
    weights : ndarray, shape (N,), float32
    """

    width: int
    height: int
    weights: np.ndarray
    _cache: int = 0

    @property
    def area(self) -> int:
        """Pixels in all."""
        return self.width * self.height


class Filter:
    """Filters.

    Parameters
    ----------
    order : int
    """

    def __init__(self, order: int):
        self.order = order

    def run(self, x: np.ndarray, *rest: int, rate: int = 1, **options: str) -> np.ndarray:
        """Filter a signal.

        Parameters
        ----------
        x : ndarray, shape (T,), float32
        *rest : int
        rate : int
            In Hz.
        **options : str

        Returns
        -------
        ndarray, shape (T,), float32

        Raises
        ------
        InputError
            Never.
        """
        return x


def reset(state: dict[str, Tensor]) -> None:
    """Forget.

    Parameters
    ----------
    state : dict of str to Tensor
    """


def _private(x):
    return x
'''

PLANTED = [
    ('"""A module."""\n', "", "the module has no docstring"),
    ("width, height : int", "width, depth : int", "Sizes: Attributes names ['width', 'depth', 'weights']"),
    ("width, height : int", "width, width : int", "Sizes: Attributes names ['width', 'width', 'weights']"),
    ("    weights : ndarray, shape (N,), float32", "    weights : ndarray, float32", "weights is an array"),
    ("    order : int\n", "    order : int\n    depth : int\n", "Filter: Parameters names ['order', 'dep"),
    ("    order : int\n", "    degree : int\n", "Filter: Parameters names ['degree'], not some of ['order']"),
    ('        """Pixels in all."""\n', "", "Sizes.area has no docstring"),
    ("        x : ndarray, shape (T,), float32\n", "        x : ndarray, float32\n", "x is an array"),
    ("        **options : str\n", "        options : str\n", "Filter.run: Parameters"),
    ("        ndarray, shape (T,), float32\n\n", "        ndarray\n\n", "returns an array and no shape"),
    ("dict of str to Tensor\n    ", "dict\n\n    Returns\n    -------\n    None\n    ", "documents it"),
    ("def _private(x):", "def private(x):", "private has no docstring"),
]


def write_module(root: Path, name: str, text: str) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root


def test_a_documented_module_passes(tmp_path):
    assert violations(write_module(tmp_path, "kernels/good.py", GOOD)) == []


@pytest.mark.parametrize(("old", "new", "message"), PLANTED)
def test_a_planted_violation_is_found(old, new, message, tmp_path):
    assert GOOD.count(old) == 1
    bad = violations(write_module(tmp_path, "datasets/bad.py", GOOD.replace(old, new)))
    assert len(bad) >= 1 and any(message in line for line in bad), bad


def test_a_class_without_words_is_found(tmp_path):
    assert violations(write_module(tmp_path, "wavecore/a.py", '"""A."""\n\n\nclass A:\n    pass\n')) == [
        "wavecore/a.py:4: A has no docstring"
    ]


def test_a_protocol_needs_a_line_for_each_method(tmp_path):
    text = '"""A."""\n\n\nclass P(Protocol):\n    """P."""\n\n    def a(self, x):\n        """A."""\n\n'
    text += "    def b(self): ...\n"
    root = write_module(tmp_path, "kernels/a.py", text)
    assert violations(root) == ["kernels/a.py:10: P.b has no docstring"]


# The public interface


def public_callables() -> dict[str, Callable]:
    """Return the functions that ``wavecore`` offers, and the methods by which models are used."""
    found = {}
    for name in wavecore.__all__:
        value = getattr(wavecore, name)
        if inspect.isfunction(value):
            found[name] = value
    for kind in registry.KINDS.values():
        model = kind.load("model")
        found |= {f"{model.__name__}.{verb}": getattr(model, verb) for verb in model.verbs}
    return found


@pytest.mark.parametrize("name", sorted(public_callables()))
def test_the_public_interface_is_documented_in_full(name):
    function = public_callables()[name]
    sections = parse_sections(function.__doc__)
    entries = parse_entries(sections.get("Parameters", ""))
    documented = [entry.lstrip("*") for one in entries for entry in one.names]
    parameters = [parameter for parameter in inspect.signature(function).parameters if parameter != "self"]
    assert sorted(documented) == sorted(parameters)
    if inspect.signature(function).return_annotation not in (None, "None"):
        assert sections.get("Returns", "") + sections.get("Yields", "")
    assert ">>> " in sections.get("Examples", "")
