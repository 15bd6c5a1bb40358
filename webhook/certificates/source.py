"""What every source of a certificate has: the leaf that it serves, and why there is no better one."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from ssl import SSLContext
from types import TracebackType

from webhook.certificates.served import ServedLeaf


class LeafSource:
    """A `webhook.certificates.port.ServingCertificate` but for `__aenter__`, where each begins its work in `_stack`.

    `_trouble` says why the last look brought nothing new, "" where it did. `now_s` returns epoch seconds.
    """

    def __init__(self, scratch: Path, now_s: Callable[[], float], trouble: str = "") -> None:
        self._served = ServedLeaf(scratch)
        self._now_s = now_s
        self._trouble = trouble
        self._stack = AsyncExitStack()

    @property
    def context(self) -> SSLContext:
        return self._served.context

    def expires_at_s(self) -> float:
        return self._served.expires_at_s()

    def problem(self) -> str:
        problem = self._served.problem(self._now_s())
        return f"{problem}: {self._trouble}" if problem and self._trouble else problem

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)
