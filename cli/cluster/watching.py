"""What a verb that follows something sees: the objects of a few queries, kept up to date by watches.

A watch that breaks off is opened again for as long as the verb runs, whatever becomes of the API server meanwhile. Who
has no right to it is told so.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from kube.backoff import Backoff
from kube.cache import Cache
from kube.client import Client
from kube.errors import Forbidden, Gone, KubeError, PermanentError, Unauthorized
from kube.resource import Objects, Resource

_COALESCED_S: Final = 0.05
"""Changes come in bunches: a status, a Deployment and its pods."""

_LONGEST_RETRY_S: Final = 3.0
_MOST_REFUSALS: Final = 3
"""In a row, of what could be watched before: an API server that has just started may not know of all rights yet."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which objects to follow; `namespace` None is all of them."""

    resource: Resource
    namespace: str | None
    name: str = ""
    label_selector: str = ""
    field_selector: str = ""

    @property
    def fields(self) -> str:
        """Return the field selector; one object by its name is a selection, too."""
        return self.field_selector or (f"metadata.name={self.name}" if self.name else "")


class Watched:
    """The objects of the queries as they were a moment ago."""

    def __init__(self, client: Client, queries: Sequence[Query]) -> None:
        self._changed = asyncio.Event()
        self._refusals = 0
        self._caches = [
            Cache(
                client,
                query.resource,
                namespace=query.namespace,
                label_selector=query.label_selector,
                field_selector=query.fields,
                backoff=Backoff(first_s=0.2, max_s=_LONGEST_RETRY_S),
                gives_up_on=self._is_final,
            )
            for query in queries
        ]
        for cache in self._caches:
            cache.subscribe(lambda _: self._note_change())
        self._runner = asyncio.create_task(self._run(), name="watches")
        self._runner.add_done_callback(lambda _: self._changed.set())

    def items(self, place: int) -> Objects:
        """Return the objects of one query, by its place."""
        return self._caches[place].items()

    async def changes(self, *, at_least_every_s: float | None = None) -> AsyncIterator[None]:
        """Yield once now, and then after each change; also after a while without one, for what grows with time.

        Raises:
            KubeError: it can't be watched, or not any more.
        """
        for cache in self._caches:
            if not cache.is_synced:
                await self._unless_ended(cache.wait_synced())
        while True:
            self._changed.clear()
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(at_least_every_s):
                    await self._changed.wait()
                    await asyncio.sleep(_COALESCED_S)
            if self._runner.done():
                self._runner.result()

    async def close(self) -> None:
        """End the watches."""
        self._runner.cancel()
        await asyncio.wait({self._runner})
        if not self._runner.cancelled():
            self._runner.exception()  # whoever still wanted to know of it has been told

    def _note_change(self) -> None:
        self._refusals = 0
        self._changed.set()

    def _is_final(self, error: KubeError) -> bool:
        is_first = not all(cache.is_synced for cache in self._caches)
        if isinstance(error, Forbidden | Unauthorized):
            self._refusals += 1
            return is_first or self._refusals >= _MOST_REFUSALS
        return is_first and isinstance(error, PermanentError) and not isinstance(error, Gone)

    async def _unless_ended(self, waiting: Awaitable[None]) -> None:
        future = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({future, self._runner}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            future.cancel()
        if self._runner.done():
            self._runner.result()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for cache in self._caches:
                    tasks.create_task(cache.run(), name=f"watch of {cache.resource.plural}")
        except ExceptionGroup as group:
            raise group.exceptions[0] from None


@asynccontextmanager
async def watching(client: Client, *queries: Query) -> AsyncIterator[Watched]:
    """Follow the queries for the block."""
    watched = Watched(client, queries)
    try:
        yield watched
    finally:
        await watched.close()
