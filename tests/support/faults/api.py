"""The API server of a fault world, and what its people do to objects with kubectl, in the namespace `test`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any, Final

import orjson

from tests.support.stored_api.server import StoredApi, serving_api
from tests.support.stored_api.store import Place, Store

Json = dict[str, Any]

NAMESPACE: Final = "test"


class WorldApi:
    """An API server in memory. `store` has its objects; `url` is where it is served."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.store = Store(now_s)
        self.url = ""

    def get(self, plural: str, name: str, namespace: str = NAMESPACE) -> Json:
        """Return an object, empty where there is none."""
        return self.store.get(Place(plural, namespace, name)) or {}

    def all_of(self, plural: str) -> list[Json]:
        """Return all objects of a kind."""
        return [orjson.loads(body) for _, body in self.store.bodies(plural)]

    def create(self, plural: str, obj: Json) -> None:
        """Create an object."""
        self.store.create(plural, deepcopy(obj))

    def edit(self, plural: str, name: str, change: Callable[[Json], None]) -> None:
        """Change an object in place."""
        self.store.edit(Place(plural, NAMESPACE, name), change)

    def delete(self, plural: str, name: str) -> None:
        """Delete an object; with finalizers it waits for them."""
        self.store.delete(Place(plural, NAMESPACE, name))

    def compact(self) -> None:
        """Forget what was before now: a watch from an older version is refused with 410."""
        self.store.compact()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["WorldApi"]:
        """Serve on a free port of loopback until the block ends."""
        async with serving_api(StoredApi(self.store)) as self.url:
            yield self
