"""What a verb that follows something sees: the objects of a few queries, kept up to date by watches.

A watch that breaks off is opened again for as long as the verb runs, whatever becomes of the API server meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from kube.backoff import Backoff
from kube.cache import Cache
from kube.client import Client
from kube.resource import Objects, Resource

_COALESCED_S: Final = 0.05
"""Changes come in bunches: a status, a Deployment and its pods."""

_LONGEST_RETRY_S: Final = 3.0


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
        self._caches = [
            Cache(
                client,
                query.resource,
                namespace=query.namespace,
                label_selector=query.label_selector,
                field_selector=query.fields,
                backoff=Backoff(first_s=0.2, max_s=_LONGEST_RETRY_S),
            )
            for query in queries
        ]
        for cache in self._caches:
            cache.subscribe(lambda _: self._changed.set())

    def items(self, place: int) -> Objects:
        """Return the objects of one query, by its place."""
        return self._caches[place].items()

    async def changes(self, *, at_least_every_s: float | None = None) -> AsyncIterator[None]:
        """Yield once now, and then after each change; also after a while without one, for what grows with time."""
        for cache in self._caches:
            await cache.wait_synced()
        while True:
            self._changed.clear()
            yield
            with suppress(TimeoutError):
                async with asyncio.timeout(at_least_every_s):
                    await self._changed.wait()
                    await asyncio.sleep(_COALESCED_S)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for cache in self._caches:
                tasks.create_task(cache.run(), name=f"watch of {cache.resource.plural}")


@asynccontextmanager
async def watching(client: Client, *queries: Query) -> AsyncIterator[Watched]:
    """Follow the queries for the block."""
    watched = Watched(client, queries)
    runner = asyncio.create_task(watched._run(), name="watches")  # noqa: SLF001  the two are one
    try:
        yield watched
    finally:
        runner.cancel()
        with suppress(asyncio.CancelledError):
            await runner
