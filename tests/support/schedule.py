"""The order in which tests start, and which of them stay together in one process of pytest-xdist."""

from collections.abc import Sequence
from pathlib import PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# What waits for a cluster starts first, so that what only computes fills the time that is left at the end.
_FOLDERS = ("exclusive", "cluster", "demo", "contract", "unit")

# Each takes longer than a minute by itself.
_LONGEST = (
    "test_rotation_in_a_hurry_is_accepted_by_whoever_believes_the_bundle",
    "test_every_query_of_the_dashboards_gives_sensible_values",
)

# The other files of tests/cluster share nothing but the cluster, so their tests are handed out one by one.
_WITH_MODULE_FIXTURES = ("test_scalers.py",)


class Schedule(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist ships no types
    """Hand the tests out in their order, one process at a time taking the next ones that belong together.

    pytest-xdist's own `loadgroup` writes the groups into the tests' ids, which pytest from 9.2 on does not show it.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Return the group of a test; those of one group run one after the other, in one process.

    Each folder of tests/exclusive is a group, and so is each file elsewhere, but for those of tests/cluster.
    """
    path = PurePath(nodeid.partition("::")[0])
    _, folder, *rest = (*path.parts, "", "")
    if folder == "cluster" and path.name not in _WITH_MODULE_FIXTURES:
        return nodeid
    if folder == "exclusive":
        return f"exclusive/{rest[0]}"
    return str(path)


def arrange(items: list[pytest.Item]) -> None:
    """Sort the tests in place."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> tuple[int, int]:
    folder = (*PurePath(item.nodeid).parts, "", "")[1]
    return _position(_FOLDERS, folder), _position(_LONGEST, item.name)


def _position(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)
