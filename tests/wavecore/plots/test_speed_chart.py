"""The picture of a benchmark: what is drawn, and what cannot be."""

import pytest

from wavecore.errors import InputError, OutputExistsError
from wavecore.plots import speed_chart
from wavecore.plots import style as canvas


def _result(**changes):
    return {
        "preset": "small", "backend": "native", "dtype": "float16", "batch": 1, "samples_per_s": 1e4,
        "roofline_samples_per_s": 2e4,
    } | changes  # fmt: skip


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures, genuine = [], canvas.save
    monkeypatch.setattr(canvas, "save", lambda figure, *rest: figures.append(figure) or genuine(figure, *rest))
    return figures


def test_a_panel_per_preset_and_a_line_per_backend(tmp_path, drawn):
    results = [
        _result(),
        _result(batch=8, samples_per_s=5e4),
        _result(backend="numba", dtype="float32", roofline_samples_per_s=None),
        _result(preset="umt", samples_per_s=2e3),
        _result(preset="umt", samples_per_s=None, backend="wrong"),
    ]
    path = speed_chart.draw(results, tmp_path / "speed.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    small, umt = drawn[0].axes
    assert [axes.get_title(loc="left") for axes in (small, umt)] == ["small", "umt"]
    assert [text.get_text() for text in small.get_legend().get_texts()] == ["native float16", "numba float32"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in small.lines}
    assert lines["native float16"] == [[1, 1e4], [8, 5e4]]
    assert [[1, 16e3], [8, 128e3]] in lines.values(), "the line of real time"
    assert len(small.lines) == 4 and len(umt.lines) == 3


def test_nothing_to_draw_and_names_taken(tmp_path):
    with pytest.raises(InputError, match="no case"):
        speed_chart.draw([_result(samples_per_s=None)], tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(OutputExistsError):
        speed_chart.draw([_result()], tmp_path / "b.png")
