import json
from dataclasses import asdict

import pytest

from wavecore import benchmark as measure
from wavecore.benchmark import Result
from wavecore.cli import bench

KEYS = {
    "preset", "backend", "device", "dtype", "batch", "samples_per_s", "realtime_factor", "median_s", "spread",
    "roofline_samples_per_s", "roofline_fraction", "first_sample_ms", "peak_memory_bytes", "parity",
}  # fmt: skip


@pytest.mark.slow
def test_a_benchmark_of_a_tiny_network(cli, tmp_path):
    words = ["bench", "--preset", "tiny", "--backend", "numba,reference", "--batch", "1,3", "--seconds", "0.2"]
    done = cli(*words, "--json", "--plot", tmp_path / "speed.png")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert {"processor", "cores", "torch", "multiply_adds_per_s"} <= set(found["machine"])
    assert [(r["backend"], r["batch"]) for r in found["results"]] == [
        ("numba", 1), ("numba", 3), ("reference", 1), ("reference", 3),
    ]  # fmt: skip
    for result in found["results"]:
        assert set(result) >= KEYS
        assert result["parity"] < 1e-5 and result["samples_per_s"] > 0
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def measured(monkeypatch):
    """Results that were set, not measured."""
    results = []
    monkeypatch.setattr(measure, "measure_all", lambda cases, *, seconds: iter(results))
    monkeypatch.setattr(measure, "machine", lambda device: {"processor": "a processor", "cores": 2})
    return results


def _result(**changes):
    values = {
        "preset": "small", "backend": "numba", "device": "cpu", "dtype": "float32", "batch": 1, "threads": 2,
        "samples_per_s": 11_000.0, "realtime_factor": 0.69, "median_s": 0.3, "spread": 0.01,
        "roofline_samples_per_s": 20_000.0, "roofline_fraction": 0.55, "first_sample_ms": 1.25,
        "peak_memory_bytes": 10**8, "parity": 1e-6,
    }  # fmt: skip
    return Result(**(values | changes))


def test_a_line_per_case(cli, measured):
    measured.append(_result())
    done = cli("bench", "--backend", "numba", "--batch", "1")
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()[1:]] == [
        ["small", "numba", "float32", "1", "2", "11,000", "0.69", "55%", "1.2", "ms", "1e-06"]
    ]
    assert "a processor, 2 cores" in done.err


def test_a_backend_that_differs_fails_the_command(cli, measured):
    measured += [_result(), _result(backend="wrong", samples_per_s=None, roofline_fraction=None, parity=0.3)]
    done = cli("bench", "--json")
    assert (
        done.code == 4
        and "1 of 2 cases differ from the reference" in done.err
        and "wrong float32 (error 0.3)" in done.err
    )
    assert json.loads(done.out)["results"] == [asdict(result) for result in measured]


def test_unknown_limits_are_dashes():
    assert "-" in bench.line(_result(roofline_fraction=None)).split()
    assert "differs" in bench.line(_result(samples_per_s=None))


@pytest.mark.parametrize(
    "words",
    [
        ["--preset", "huge"], ["--backend", "magic"], ["--batch", "0"], ["--batch", "1,x"], ["--seconds", "0"],
        ["--seconds", "soon"], ["--threads", "0"], ["--plot", "speed.jpg"], ["--dtype", "int3"],
    ],
)  # fmt: skip
def test_bad_words_are_refused(cli, measured, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("bench", *words)
    assert done.code == 2 and done.err


@pytest.mark.slow
def test_a_picture_that_exists_is_kept(cli, measured, tmp_path):
    measured.append(_result())
    (tmp_path / "speed.png").write_bytes(b"kept")
    done = cli("bench", "--plot", tmp_path / "speed.png")
    assert done.code == 6 and (tmp_path / "speed.png").read_bytes() == b"kept"
    assert cli("bench", "--plot", tmp_path / "speed.png", "--overwrite").code == 0
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
