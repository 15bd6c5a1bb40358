"""Waiting in tests for what the outside world will show soon."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from tests.support.patience import PATIENCE_S

T = TypeVar("T")

_LOOK_AGAIN_S = 0.02


@overload
async def eventually(
    read: Callable[[], Coroutine[Any, Any, T]], holds: Callable[[T], bool], *, within_s: float = PATIENCE_S
) -> T: ...
@overload
async def eventually(read: Callable[[], T], holds: Callable[[T], bool], *, within_s: float = PATIENCE_S) -> T: ...
async def eventually(read: Callable[[], Any], holds: Callable[[Any], bool], *, within_s: float = PATIENCE_S) -> Any:
    """Call `read` again and again until `holds` is true of what it returns; fails with what was seen last."""
    deadline_s = time.monotonic() + within_s
    while True:
        answer = read()
        seen = await answer if inspect.isawaitable(answer) else answer
        if holds(seen):
            return seen
        assert time.monotonic() < deadline_s, f"still {seen!r} after {within_s:g} s"
        await asyncio.sleep(_LOOK_AGAIN_S)
