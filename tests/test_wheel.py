"""What is built and installed is whole: every module, the shipped models, no tests, and it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"wavecore": "wavecore", "kernels": "wavecore/kernels", "datasets": "wavecore/datasets"}

pytestmark = pytest.mark.slow


def run(*command: str | Path, folder: Path) -> str:
    """Run a command away from the repository and from this process's Python settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a clean copy of the sources, tests included."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        tree.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    for name in (*FOLDERS, "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.so"))
    # The extra `test` brings the builder, so nothing is fetched here.
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--wheel-dir", folder, tree, folder=folder)
    (path,) = folder.glob("wavecore-*.whl")
    return path


@pytest.fixture(scope="module")
def installation(wheel, tmp_path_factory) -> Path:
    """A new environment with the wheel in it, which borrows the libraries of this one."""
    folder = tmp_path_factory.mktemp("installation") / "venv"
    venv.create(folder, symlinks=os.name != "nt")
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, wheel, folder=folder)
    # A path file adds the folders as they are; their own path files, and with them the editable wavecore,
    # are not read.
    (site,) = folder.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    return folder


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_every_module(wheel):
    modules = {
        f"{place}/{name}"
        for folder, place in FOLDERS.items()
        for name in files_below(ROOT / folder)
        if name.endswith(".py")
    }
    assert {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")} == modules


def test_the_wheel_holds_every_file_of_the_shipped_models(wheel):
    pretrained = {name for name in files_below(ROOT / "wavecore/pretrained") if "__pycache__" not in name}
    assert any(name.endswith("/model.safetensors") for name in pretrained), "no model is shipped"
    missing = {f"wavecore/pretrained/{name}" for name in pretrained} - set(zipfile.ZipFile(wheel).namelist())
    assert not missing


@pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="there is no C compiler here")
def test_the_wheel_holds_the_native_kernel(wheel):
    (name,) = [name for name in zipfile.ZipFile(wheel).namelist() if "/_native." in name]
    assert name == "wavecore/kernels/cpu/_native" + sysconfig.get_config_var("EXT_SUFFIX")


def test_without_a_compiler_the_wheel_is_built_all_the_same(tmp_path):
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.so", "*.safetensors")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    code = "import setuptools, sys; sys.argv = ['setup.py', 'bdist_wheel']; exec(open('setup.py').read())"
    environment = os.environ | {"CC": "/nonexistent/cc", "LDSHARED": "/nonexistent/cc"}
    command = [sys.executable, "-c", code.replace("exec(", "__file__ = 'setup.py'; exec(")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "wavecore/kernels/cpu/native.py" in names and not [name for name in names if "/_native." in name]


def test_the_wheel_holds_no_tests_and_names_nothing_at_the_top_but_itself(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if "tests" in name.split("/") or Path(name).name.startswith("test_")]
    about = wheel.name.rsplit("-", 3)[0] + ".dist-info"
    assert {name.partition("/")[0] for name in names} == {"wavecore", about}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_installed_package_is_the_one_that_is_imported(installation, tmp_path):
    code = (
        "import wavecore, wavecore.kernels, wavecore.datasets; "
        "print(wavecore.__file__, wavecore.kernels.__file__, wavecore.datasets.__file__)"
    )
    paths = run(installation / "bin" / "python", "-c", code, folder=tmp_path).split()
    assert len(paths) == 3 and all(Path(path).is_relative_to(installation) for path in paths)


def test_the_doctor_finds_the_installed_package_well(installation, tmp_path):
    found = json.loads(run(installation / "bin" / "wavecore", "doctor", "--json", folder=tmp_path))
    failed = [check for check in found["checks"] if not check["ok"]]
    assert found["ok"], failed
