"""Time that passes only while nothing is to be done: an outage of a minute costs a test some milliseconds.

Everybody who speaks must live in the test's own event loop: agent, API server, metric server. What they send over
loopback is there at once, so a loop with nothing to read has nothing to do before its next timer, and the clocks jump
there. What takes real time takes none of this one, so no test depends on how fast a machine is.
"""

import asyncio
import gc
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final
from unittest.mock import patch

_WITHOUT_TIMER_S: Final = 0.05

_PACKAGES: Final = ("agent.", "kube.", "service.")


@dataclass
class VirtualTime:
    """The clocks of the process. `skew_s` sets the wall clock alone, as somebody who sets a node's clock does."""

    skew_s: float = 0.0
    ahead_s: float = 0.0
    in_threads: int = 0
    _began_monotonic_s: float = field(default_factory=time.monotonic)
    _began_s: float = field(default_factory=time.time)

    def monotonic(self) -> float:
        return self._began_monotonic_s + self.ahead_s

    def time(self) -> float:
        return self.true_time() + self.skew_s

    def true_time(self) -> float:
        """Return the time of those whose clocks nobody sets."""
        return self._began_s + self.ahead_s

    async def until(self, is_so: Callable[[], bool], *, within_s: float, what: str = "") -> None:
        """Let time pass until it is so."""
        give_up_at_s = self.monotonic() + within_s
        while not is_so():
            assert self.monotonic() < give_up_at_s, f"not within {within_s:g} s: {what}"
            await asyncio.sleep(0.25)


class _JumpingSelector:
    """Stands before a loop's selector: where nothing can be read, it lets the clocks jump to the next timer."""

    def __init__(self, clock: VirtualTime, select: Callable[[float | None], Any]) -> None:
        self._clock = clock
        self._select = select

    def select(self, timeout: float | None = None) -> Any:
        found = self._select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if timeout is None or self._clock.in_threads:
            return self._select(_WITHOUT_TIMER_S if timeout is None else min(timeout, _WITHOUT_TIMER_S))
        self._clock.ahead_s += timeout
        return found


@dataclass
class Names:
    """Resolves names of the test to loopback; `is_failing`: none of them, as when DNS is down."""

    is_failing: bool = False
    asked: int = 0

    async def resolve(self, host: str | None, port: Any, **_: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        if self.is_failing:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port or 0)))]


@contextmanager
def virtual_time(names: Names) -> Iterator[VirtualTime]:
    """Let the running loop, and all clocks of the product, follow such a time while the block lasts."""
    loop = asyncio.get_running_loop()
    clock = VirtualTime()
    selector: selectors.BaseSelector = loop._selector  # type: ignore[attr-defined]  # no public way to it
    in_executor = loop.run_in_executor

    def counted(*arguments: Any) -> Any:
        clock.in_threads += 1
        future = in_executor(*arguments)
        future.add_done_callback(lambda _: setattr(clock, "in_threads", clock.in_threads - 1))
        return future

    with ExitStack() as stack:
        stack.enter_context(patch.object(selector, "select", _JumpingSelector(clock, selector.select).select))
        stack.enter_context(patch.object(loop, "run_in_executor", counted))
        stack.enter_context(patch.object(loop, "getaddrinfo", names.resolve))
        stack.enter_context(_as_defaults({time.monotonic: clock.monotonic, time.time: clock.time}))
        stack.enter_context(patch("time.monotonic", clock.monotonic))
        stack.enter_context(patch("time.time", clock.time))
        stack.enter_context(patch("time.clock_gettime", lambda _: clock.monotonic()))
        yield clock


@contextmanager
def _as_defaults(clocks: dict[Any, Any]) -> Iterator[None]:
    """Replace the clocks where they are defaults of parameters, which were bound when the product was imported."""
    was = []
    gc.unfreeze()  # an agent of an earlier test has taken what there was then out of what is looked through
    for function in gc.get_objects():
        if not isinstance(function, FunctionType) or not str(function.__module__).startswith(_PACKAGES):
            continue
        defaults, by_name = function.__defaults__, function.__kwdefaults__
        if any(one in clocks for one in _hashable((*(defaults or ()), *(by_name or {}).values()))):
            was.append((function, defaults, by_name))
            function.__defaults__ = defaults and tuple(map(_replaced(clocks), defaults))
            function.__kwdefaults__ = by_name and {key: _replaced(clocks)(one) for key, one in by_name.items()}
    assert was, "no clock was found: the product would go by real time"
    try:
        yield
    finally:
        for function, defaults, by_name in was:
            function.__defaults__, function.__kwdefaults__ = defaults, by_name


def _hashable(values: tuple[Any, ...]) -> Iterator[Any]:
    return (one for one in values if callable(one) and type(one).__hash__ is not None)


def _replaced(clocks: dict[Any, Any]) -> Callable[[Any], Any]:
    def replaced(one: Any) -> Any:
        return clocks.get(one, one) if callable(one) and type(one).__hash__ is not None else one

    return replaced
