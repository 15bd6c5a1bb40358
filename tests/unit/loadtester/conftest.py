"""What the load tester's tests share."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.fifo import Fifo

_PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def make_fifo(tmp_path: Path) -> Callable[[str], Fifo]:
    """Makes a named pipe of that name in a folder of this test's own."""
    return lambda name: Fifo(tmp_path / name)


@pytest.fixture
def process_1() -> Iterator[None]:
    """Makes this process inherit its descendants' orphans, as the load tester does as process 1 of its container."""
    prctl = ctypes.CDLL(None).prctl
    assert prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    assert prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0
