"""The style of figures, and files that are written whole or not at all."""

import pytest

from wavecore.errors import OutputExistsError, UsageError
from wavecore.plots import style as canvas


def test_size_and_style_of_a_figure(tmp_path):
    figure = canvas.figure(3.0, 2.0)
    axes = figure.add_subplot()
    canvas.style(axes, "a title")
    axes.plot([0, 1], [0, 1], label="line")
    canvas.legend(axes, outside=True)
    path = canvas.save(figure, tmp_path / "a.png", overwrite=False)
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(header[at : at + 4], "big") for at in (16, 20)] == [480, 320]
    assert axes.get_title(loc="left") == "a title"
    assert not any(spine.get_visible() for spine in axes.spines.values())


def test_bad_names_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"a\.jpg"):
        canvas.require_png(tmp_path / "a.jpg", False)
    (tmp_path / "b.png").write_bytes(b"kept")
    canvas.require_png(tmp_path / "b.png", True)
    with pytest.raises(OutputExistsError):
        canvas.save(canvas.figure(1, 1), tmp_path / "b.png", overwrite=False)
    assert (tmp_path / "b.png").read_bytes() == b"kept"
