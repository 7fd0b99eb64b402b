"""The package's front door: its public names, loaded when they are used."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import wavecore
from wavecore.errors import WavecoreError

ROOT = Path(__file__).resolve().parents[1]


def run_python(code: str) -> str:
    """Run code in a new interpreter and return what it printed."""
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", [name for name in wavecore.__all__ if name != "__version__"])
def test_a_public_name_is_what_its_module_defines(name):
    module, _, attribute = wavecore._PUBLIC[name].partition(":")
    found = getattr(wavecore, name)
    assert found is getattr(importlib.import_module(module), attribute or name)
    assert found.__doc__


def test_every_error_is_public():
    errors = importlib.import_module("wavecore.errors")
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined == {name for name, module in wavecore._PUBLIC.items() if module == "wavecore.errors"}


def test_public_names_are_listed_once_and_seen_by_dir():
    assert len(set(wavecore.__all__)) == len(wavecore.__all__)
    assert set(wavecore.__all__) <= set(dir(wavecore))


def test_no_public_name_is_that_of_a_package():
    packages = {path.parent.name for path in (ROOT / "wavecore").glob("*/__init__.py")} | {"kernels", "datasets"}
    modules = {path.stem for path in (ROOT / "wavecore").glob("*.py")}
    assert not set(wavecore.__all__) & (packages | modules)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'transmute'"):
        _ = wavecore.transmute
    assert not hasattr(wavecore, "transmute")


def test_importing_the_package_loads_nothing_else():
    code = (
        "import sys; before = set(sys.modules); import wavecore; "
        "heavy = {name.partition('.')[0] for name in set(sys.modules) - before} & "
        "{'torch', 'numpy', 'librosa', 'numba', 'matplotlib', 'soundfile'}; "
        "inner = {name for name in sys.modules if name.startswith('wavecore.')}; "
        "print(sorted(heavy | inner))"
    )
    assert run_python(code) == "[]"


def test_a_name_is_looked_up_once():
    assert run_python("import wavecore; wavecore.UsageError; print('UsageError' in vars(wavecore))") == "True"


@pytest.mark.slow
def test_star_import_brings_every_public_name():
    code = "from wavecore import *; import wavecore; print(set(wavecore.__all__) <= set(globals()))"
    assert run_python(code) == "True"


def test_the_version_is_the_one_in_setup_py():
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    (declared,) = [keyword.value.value for keyword in keywords if keyword.arg == "version"]
    assert wavecore.__version__ == importlib.metadata.version("wavecore") == declared


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.delitem(vars(wavecore), "__version__", raising=False)
    with pytest.raises(WavecoreError, match="not installed here"):
        _ = wavecore.__version__
