"""The figure of latents, and what is refused."""

import numpy as np
import pytest

from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.plots import latent_chart


def test_every_channel_is_a_line(tmp_path, drawn):
    rng = np.random.default_rng(0)
    latent_chart.draw([("a", rng.standard_normal((30, 16)), 31.25), ("b", np.ones((5, 4)), 20.0)], tmp_path / "a.png")
    first, second = drawn[0].axes
    assert len(first.lines) == 16 and len(second.lines) == 4 and first.get_title(loc="left") == "a"
    assert np.ptp(first.lines[3].get_ydata()) <= 1.0 + 1e-9 and np.ptp(second.lines[0].get_ydata()) == 0
    assert first.lines[0].get_xdata()[-1] == pytest.approx(29 / 31.25)


@pytest.mark.slow
def test_a_file_is_written_once(tmp_path):
    latent = np.random.default_rng(1).standard_normal((12, 3))
    path = latent_chart.draw([("one", latent, 20.0)], tmp_path / "a.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(OutputExistsError):
        latent_chart.draw([("one", latent, 20.0)], tmp_path / "a.png")
    latent_chart.draw([("a frame $", latent[:1], 20.0)], tmp_path / "a.png", overwrite=True)


def test_bad_latents_and_names_are_refused(tmp_path):
    for latent in (np.zeros(3), np.zeros((0, 3)), np.full((2, 2), np.nan)):
        with pytest.raises(InputError, match="x has shape"):
            latent_chart.draw([("x", latent, 20.0)], tmp_path / "a.png")
    with pytest.raises(InputError):
        latent_chart.draw([], tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"a\.jpg"):
        latent_chart.draw([("x", np.ones((2, 2)), 20.0)], tmp_path / "a.jpg")
