"""The figure of a benchmark."""

import pytest

from wavecore.errors import InputError, OutputExistsError
from wavecore.plots import speed_chart


def _result(**changes):
    speeds = {"samples_per_s": 1e4, "roofline_samples_per_s": 2e4}
    return {"preset": "small", "backend": "native", "dtype": "float16", "batch": 1} | speeds | changes


def test_a_panel_per_preset_and_a_line_per_backend(tmp_path, drawn):
    results = [
        _result(),
        _result(batch=8, samples_per_s=5e4),
        _result(backend="numba", dtype="float32", roofline_samples_per_s=None),
        _result(preset="umt", samples_per_s=2e3),
        _result(preset="umt", samples_per_s=None, backend="wrong"),
    ]
    speed_chart.draw(results, tmp_path / "speed.png")
    small, umt = drawn[0].axes
    assert [axes.get_title(loc="left") for axes in (small, umt)] == ["small", "umt"]
    assert [text.get_text() for text in small.get_legend().get_texts()] == ["native float16", "numba float32"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in small.lines}
    assert lines["native float16"] == [[1, 1e4], [8, 5e4]]
    assert [[1, 16e3], [8, 128e3]] in lines.values()  # real time
    assert len(small.lines) == 4 and len(umt.lines) == 3


@pytest.mark.slow
def test_the_figure_is_written_once_and_needs_speeds(tmp_path):
    with pytest.raises(InputError):
        speed_chart.draw([_result(samples_per_s=None)], tmp_path / "a.png")
    assert speed_chart.draw([_result()], tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputExistsError):
        speed_chart.draw([_result()], tmp_path / "a.png")
