"""The map of styles: distances as the cosines say, a file that is a picture, and what is refused."""

import numpy as np
import pytest

from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.models.musenet import plot_styles


def test_cosines_by_hand():
    vectors = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    found = plot_styles.similarities(vectors)
    np.testing.assert_allclose(found[0, :4], [1, 0, -1, np.sqrt(0.5)])
    np.testing.assert_allclose(found[4], 0)


def apart(x):
    return np.linalg.norm(x[:, None] - x[None], axis=2)


def test_three_that_fit_a_plane_keep_their_distances():
    rng = np.random.default_rng(0)
    unit = rng.standard_normal((3, 2))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    turned = (unit * rng.uniform(0.5, 3, (3, 1))) @ np.linalg.qr(rng.standard_normal((9, 9)))[0][:2]
    places = plot_styles.places(turned)
    np.testing.assert_allclose(apart(places), apart(unit), atol=1e-9)
    np.testing.assert_allclose(plot_styles.places(turned), places)


def test_of_many_styles_those_that_are_alike_lie_together():
    rng = np.random.default_rng(0)
    schools = np.repeat(rng.standard_normal((3, 16)), 5, axis=0)
    vectors = (schools + 0.2 * rng.standard_normal((15, 16))) * rng.uniform(0.5, 3, (15, 1))  # lengths say nothing
    places = plot_styles.places(vectors)
    assert places.shape == (15, 2) and np.isfinite(places).all()
    np.testing.assert_array_equal(plot_styles.places(vectors), places)
    near = apart(places)
    np.fill_diagonal(near, np.inf)
    assert (near.argmin(axis=1) // 5 == np.arange(15) // 5).all()
    assert plot_styles.places(vectors[:4]).shape == (4, 2)


def test_few_styles_are_laid_out_plainly():
    two = plot_styles.places(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]))
    assert (
        two.shape == (2, 2)
        and np.linalg.norm(two[0] - two[1]) == pytest.approx(np.sqrt(2))
        and np.abs(two[:, 1]).max() < 1e-6
    )
    assert plot_styles.places(np.ones((1, 4))).tolist() == [[0.0, 0.0]]


def test_a_picture_is_written_once(tmp_path):
    vectors = np.random.default_rng(1).standard_normal((3, 8)).astype(np.float32)
    path = plot_styles.draw(vectors, ["bach", "pop", "a $"], tmp_path / "a.png")
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(OutputExistsError):
        plot_styles.draw(vectors, ["bach", "pop", "c"], path)
    plot_styles.draw(vectors[:1], ["bach"], path, overwrite=True)
    with pytest.raises(UsageError, match="png"):
        plot_styles.draw(vectors, ["bach", "pop", "c"], tmp_path / "a.jpg")


@pytest.mark.parametrize("vectors", [np.zeros((0, 4)), np.zeros(3), np.full((2, 2), np.inf), np.zeros((3, 2))])
def test_what_cannot_be_drawn(vectors, tmp_path):
    with pytest.raises(InputError, match="2 styles"):
        plot_styles.draw(vectors, ["a", "b"], tmp_path / "a.png")
