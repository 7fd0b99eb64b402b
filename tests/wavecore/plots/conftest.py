"""Figures that are inspected without the time to render them."""

import pytest

from wavecore.plots import style


@pytest.fixture
def drawn(monkeypatch):
    """Return the figures that a function saves, which it does not render."""
    figures = []
    monkeypatch.setattr(style, "save", lambda figure, path, overwrite: figures.append(figure) or path)
    return figures
