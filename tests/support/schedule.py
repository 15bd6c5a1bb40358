"""The order in which tests start, and which of them pytest-xdist keeps together in one process."""

from collections.abc import Sequence
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parent.parent

# What waits for a cluster starts first, so that what only computes fills the time that is left at the end.
_FOLDERS = ("exclusive", "cluster", "demo", "contract", "unit")

# Each takes longer than a minute by itself.
_LONGEST = (
    "test_rotation_in_a_hurry_is_accepted_by_whoever_believes_the_bundle",
    "test_every_query_of_the_dashboard_gives_sensible_values",
)


def sort(items: list[pytest.Item]) -> None:
    """Sort the tests in place."""
    items.sort(key=_rank)


def keep_together(item: pytest.Item) -> None:
    """Put a test into the group of its file, unless it names another.

    Tests in tests/cluster share no more than the cluster, so they are handed out one by one.
    """
    if item.get_closest_marker("xdist_group") is None and _folder(item) != "cluster":
        item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(_TESTS))))


def _rank(item: pytest.Item) -> tuple[int, int]:
    return _position(_FOLDERS, _folder(item)), _position(_LONGEST, item.name)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(_TESTS).parts[0] if item.path.is_relative_to(_TESTS) else ""


def _position(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)
