"""The objects of one resource, kept up to date by a list and a watch, so that reads cost the API server nothing."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, NoReturn

from kube.backoff import Backoff
from kube.errors import KubeError, NotFound, TransientError, Unavailable
from kube.store import Change, Key, Store, key_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

    from kube.client import Client, WatchEvent
    from kube.resource import Object, Objects, Resource

_log = logging.getLogger(__name__)

# As long as client-go's: a watch is opened anew after 5 to 10 minutes, all of them at different times.
WATCH_TIMEOUT_S = 300.0
# A watch that ends sooner, with nothing told, was turned away.
SHORTEST_WATCH_S = 1.0
# An optional resource that is not served now is looked for this often.
UNSERVED_AGAIN_S = 30.0


class Cache:
    """The objects of one namespace, or of all, as they were a moment ago. Nobody may change what it gives out.

    `transform` makes an object smaller before it is kept; name, namespace and resourceVersion must stay. It still sees
    managedFields, which are dropped after it in any case. Somebody must own a task that runs `run()`.

    `is_optional`: a cluster may not serve the resource at all. Then there are no objects of it, and nothing is wrong;
    it is asked for again now and then, for its CRD may come.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[Object], Object] | None = None,
        backoff: Backoff | None = None,
        is_optional: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.resource = resource
        self._client = client
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._transform = transform
        self._backoff = backoff or Backoff(first_s=0.2, max_s=30.0)
        self._is_optional = is_optional
        self._clock = clock
        self._sleep = sleep
        self._store = Store()
        self._listeners: list[Callable[[Change], None]] = []
        self._synced = asyncio.Event()
        self._heard_at_s = clock()
        self._failures = 0

    @property
    def is_synced(self) -> bool:
        """Whether a first list is in. It stays so through later failures: see `last_event_age_s`."""
        return self._synced.is_set()

    @property
    def last_event_age_s(self) -> float:
        """How long ago the API server last gave a sign: a list, a change, or the bookmark that comes each minute."""
        return self._clock() - self._heard_at_s

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def get(self, namespace: str, name: str) -> Object | None:
        """`namespace` is "" for objects that live in none."""
        return self._store.get(Key(namespace, name))

    def items(self) -> Objects:
        return self._store.items()

    def by_namespace(self, namespace: str) -> Objects:
        return self._store.by_namespace(namespace)

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Calls `listener` after each change, until the function that is returned is called.

        A listener wakes somebody and returns at once; what it raises is logged and stops nothing.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def remember(self, obj: Object) -> None:
        """Takes in the answer of our own write, so that the next read is not older than it."""
        self._tell([self._store.remember(self._slim(obj))])

    async def run(self) -> None:
        """Forever: lists, then watches; lists again when the watch can't go on."""
        while True:
            try:
                await self._list()
                await self._follow()
            except KubeError as error:
                delay_s = self._take_failure(error)
            await self._sleep(delay_s)

    def _take_failure(self, error: KubeError) -> float:
        """The wait before the next list, in seconds."""
        if self._is_optional and isinstance(error, NotFound):
            self._take_list({}, self._store.resource_version)
            return UNSERVED_AGAIN_S
        self._failures += 1
        delay_s = max(getattr(error, "retry_after_s", 0.0), self._backoff.delay_s(self._failures))
        _log.warning("%s: listing again in %.1f s: %s", self.resource.plural, delay_s, error)
        return delay_s

    async def _list(self) -> None:
        listed: dict[Key, Object] = {}
        version = ""
        selectors = {"label_selector": self._label_selector, "field_selector": self._field_selector}
        pages = self._client.pages(self.resource, self._namespace, **selectors)
        async with aclosing(pages):
            async for page in pages:
                version = page.resource_version
                for obj in page.items:
                    listed[key_of(obj)] = self._slim(obj)
        self._take_list(listed, version)

    def _take_list(self, listed: dict[Key, Object], version: str) -> None:
        changes = self._store.replace_all(listed, version)
        self._heard_at_s = self._clock()
        self._synced.set()
        self._tell(changes)

    async def _follow(self) -> NoReturn:
        """Watches on from the last version known, again and again. Raises what makes a new list necessary.

        A connection that broke after it had told something is only opened again.
        """
        while True:
            started_at_s = self._clock()
            has_told = False
            try:
                async with aclosing(self._watch()) as events:
                    async for event in events:
                        has_told = True
                        self._failures = 0
                        self._take(event)
                is_turned_away = not has_told and self._clock() - started_at_s < SHORTEST_WATCH_S
            except TransientError as error:
                if not has_told:
                    raise
                _log.info("%s: watching on: %s", self.resource.plural, error)
                continue
            if is_turned_away:
                raise Unavailable("the watch ended at once", resource=self.resource, namespace=self._namespace)
            self._heard_at_s = self._clock()
            self._failures = 0

    def _watch(self) -> AsyncGenerator[WatchEvent, None]:
        return self._client.watch(
            self.resource,
            self._namespace,
            resource_version=self._store.resource_version,
            timeout_s=WATCH_TIMEOUT_S * (1.0 + random.random()),  # noqa: S311  spreads load, guards nothing
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )

    def _take(self, event: WatchEvent) -> None:
        self._heard_at_s = self._clock()
        if event.type == "BOOKMARK":
            self._store.resource_version = event.object["metadata"]["resourceVersion"]
        elif event.type == "DELETED":
            self._tell([self._store.remove(event.object)])
        else:
            self._tell([self._store.put(self._slim(event.object))])

    def _slim(self, obj: Object) -> Object:
        if self._transform is not None:
            obj = self._transform(obj)
        metadata = obj["metadata"]
        if "managedFields" in metadata:
            # A copy: `remember` is given objects of others.
            obj = {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
        return obj

    def _tell(self, changes: Iterable[Change | None]) -> None:
        for change in changes:
            if change is None:
                continue
            for listener in tuple(self._listeners):
                try:
                    listener(change)
                except Exception:  # noqa: BLE001  a listener's fault must not blind all the others
                    _log.exception("%s %s: a listener failed", self.resource.kind, "/".join(change.key))
