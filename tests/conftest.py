"""Order of the tests: the slow ones first, so that no worker is left with one at the end."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests that are marked as slow to the front, in their order."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
