"""The objects of one resource, kept up to date by a list and a watch, so that reads cost the API server nothing."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, NoReturn

from kube.backoff import Backoff
from kube.errors import BrokenOff, Conflict, Forbidden, KubeError, NotFound, TransientError, Unavailable, Unread
from kube.pace import LONGEST_ALONE_S
from kube.packing import Outline, PackedObject
from kube.store import Change, Key, Store, key_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping

    from kube.client import Client, WatchEvent
    from kube.resource import Object, Objects, Resource
    from kube.store import Kept

_log = logging.getLogger(__name__)

# As long as client-go's: a watch is opened anew after 5 to 10 minutes, all of them at different times.
WATCH_TIMEOUT_S = 300.0
# A watch that ends sooner, without an event, was refused.
SHORTEST_WATCH_S = 1.0
# So long at most a list waits that may succeed now: whoever leads again after an outage waits for it.
TRANSIENT_DELAY_MAX_S = 5.0
# An optional resource that is not served now is listed again after this time.
UNSERVED_RETRY_S = 30.0


class Cache:
    """The objects of one namespace, or of all, as they were a moment ago. Callers must not change what it returns.

    `transform` makes an object smaller before it is kept; name, namespace and resourceVersion must stay. It still sees
    managedFields, which are dropped after it in any case. With an `outline` the objects that are used are kept packed
    until they are read, and of the others no more than that: see `Store` and `read`. The owner runs `run()` in a task.

    `fallback_namespace`: when the objects of all may not be read, those of this one are kept.

    `is_optional`: a cluster may not serve the resource at all. Then the cache is synced and empty, and lists again now
    and then, because the CRD may be installed later.

    `gives_up_on`: `run` ends with such an error, instead of trying again.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        fallback_namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
        transform: Callable[[Object], Object] | None = None,
        outline: Callable[[Object], Object] | None = None,
        is_used: Callable[[Object], bool] = lambda _: True,
        backoff: Backoff | None = None,
        is_optional: bool = False,
        gives_up_on: Callable[[KubeError], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.resource = resource
        self._client = client
        self._namespace = namespace
        self._fallback_namespace = fallback_namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._transform = transform
        self._backoff = backoff or Backoff(first_s=0.2, max_s=30.0)
        self._is_optional = is_optional
        self._gives_up_on = gives_up_on
        self._clock = clock
        self._sleep = sleep
        self._store = Store(outline, is_used)
        self._released_meanwhile: set[Key] | None = None
        self._listeners: list[Callable[[Change], None]] = []
        self._synced = asyncio.Event()
        self._current = asyncio.Event()
        self._last_event_at_s = clock()
        self._failures = 0

    @property
    def is_synced(self) -> bool:
        """Return whether the first list is complete. Later failures do not change that: see `last_event_age_s`."""
        return self._synced.is_set()

    @property
    def last_event_age_s(self) -> float:
        """Return the seconds since the last list or watch event; a bookmark comes each minute."""
        return self._clock() - self._last_event_at_s

    async def wait_synced(self) -> None:
        """Wait until the first list is complete."""
        await self._synced.wait()

    async def wait_current(self) -> None:
        """Wait until the last list succeeded, if it has to be listed again just now because the watch broke off."""
        await self._current.wait()

    def get(self, namespace: str, name: str) -> Object | None:
        """Return an object, None if there is none. `namespace` is "" for a cluster-scoped object.

        Raises:
            Unread: there is one, of which no more than an outline is kept: `read` it.
        """
        kept = self._store.kept(namespace, name)
        if isinstance(kept, Outline):
            text = "nobody used it so far: it has to be read first"
            raise Unread(text, resource=self.resource, namespace=namespace, name=name)
        return kept.read() if isinstance(kept, PackedObject) else kept

    def has(self, namespace: str, name: str) -> bool:
        """Return whether there is such an object, however much of it is kept."""
        return self._store.has(Key(namespace, name))

    def glance(self, namespace: str, name: str) -> Object | None:
        """Return an object for somebody who won't read it again soon: it is kept no larger.

        None, too, where no more than an outline of it is kept.
        """
        return self._store.glance(Key(namespace, name))

    def items(self) -> Objects:
        """Return all objects, in no order, but those of which there is an outline only."""
        return self._store.items()

    def by_namespace(self, namespace: str) -> Objects:
        """Return the objects of one namespace, but those of which there is an outline only."""
        return self._store.by_namespace(namespace)

    def outlines(self, namespace: str) -> Objects:
        """Return the outlines of all of one namespace's objects."""
        return self._store.outlines(namespace)

    async def read(self, namespace: str, name: str, *, within_s: float) -> None:
        """Read an object of which no more than an outline is kept, and keep all of it as long as it is used.

        Raises:
            Conflict: it is gone, and the watch will tell so.
            KubeError: it could not be read.
        """
        # A list of one is as fresh as a get, and takes no other right than the watch.
        selector = f"metadata.name={name}"
        found = await self._client.within(within_s).list(self.resource, namespace or None, field_selector=selector)
        if not found:
            raise Conflict("it went just now", resource=self.resource, namespace=namespace, name=name)
        for obj in found:
            self.remember(obj)

    def release(self, namespace: str, name: str) -> None:
        """Keep no more than the outline of an object that nobody uses any more."""
        if self._released_meanwhile is not None:
            self._released_meanwhile.add(Key(namespace, name))
        self._store.release(Key(namespace, name))

    def outline(self, namespace: str, name: str) -> Object | None:
        """Return the outline of an object, None if there is none."""
        return self._store.outline(Key(namespace, name))

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after each change; return the function that ends the subscription.

        A listener must return at once, so it only wakes a task. An exception in it is logged and stops nothing.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def remember(self, obj: Object) -> None:
        """Store the answer of our own write, so that the next read is not older."""
        self._notify([self._store.remember(self._slim(obj))])

    def forget(self, obj: Object) -> None:
        """Drop what our own write deleted, so that the next read is not older."""
        self._notify([self._store.forget(obj)])

    async def run(self) -> None:
        """List, then watch, until cancelled; list again when the watch can't be continued.

        Raises:
            KubeError: it is one that the owner gives up on.
        """
        while True:
            try:
                await self._list()
                await self._keep_watching()
            except KubeError as error:
                if self._gives_up_on(error):
                    raise
                delay_s = self._handle_failure(error)
            await self._sleep(delay_s)

    def _handle_failure(self, error: KubeError) -> float:
        """Return the delay before the next list, in seconds."""
        if self._is_optional and isinstance(error, NotFound):
            self._store_list({}, self._store.resource_version)
            return UNSERVED_RETRY_S
        if isinstance(error, Forbidden) and self._fallback_namespace is not None:
            self._namespace, self._fallback_namespace = self._fallback_namespace, None
            _log.warning("%s: only those of namespace %s: %s", self.resource.plural, self._namespace, error)
            return 0.0
        self._failures += 1
        self._current.clear()
        delay_s = self._backoff.delay_s(self._failures)
        if isinstance(error, TransientError):
            asked_s = min(error.retry_after_s, LONGEST_ALONE_S)
            delay_s = max(asked_s, min(delay_s, TRANSIENT_DELAY_MAX_S))
        _log.warning("%s: listing again in %.1f s: %s", self.resource.plural, delay_s, error)
        return delay_s

    async def _list(self) -> None:
        listed: dict[Key, Kept] = {}
        version = ""
        pages = self._client.pages(
            self.resource,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )
        released = self._released_meanwhile = set()
        try:
            async with aclosing(pages):
                async for page in pages:
                    version = page.resource_version
                    # Removed one by one: what is not kept is gone before the next page comes.
                    page.items.reverse()
                    while page.items:
                        obj = self._slim(page.items.pop())
                        listed[key_of(obj)] = self._store.to_keep(obj)
        finally:
            self._released_meanwhile = None
        self._store_list(listed, version)
        for key in released:
            self._store.release(key)

    def _store_list(self, listed: Mapping[Key, Kept], version: str) -> None:
        changes = self._store.replace_all(listed, version)
        self._last_event_at_s = self._clock()
        self._synced.set()
        self._current.set()
        self._notify(changes)

    async def _keep_watching(self) -> NoReturn:
        """Watch from the last known resourceVersion, again and again. Raise what makes a new list necessary.

        A watch that breaks off after an event is only opened again, and so is one that was open for a while and had
        nothing to say: there may be a proxy before the API server that cuts what is quiet, again and again.
        """
        while True:
            started_at_s = self._clock()
            has_events = False
            try:
                async with aclosing(self._watch()) as events:
                    async for event in events:
                        has_events = True
                        self._failures = 0
                        self._handle_event(event)
                is_refused = not has_events and self._clock() - started_at_s < SHORTEST_WATCH_S
            except TransientError as error:
                was_open = self._clock() - started_at_s >= SHORTEST_WATCH_S
                if was_open:
                    self._failures = 0
                if not has_events and not (was_open and isinstance(error, BrokenOff)):
                    raise
                _log.info("%s: watching again: %s", self.resource.plural, error)
                # That it was opened is a sign of the server, if it gave no other.
                self._last_event_at_s = max(self._last_event_at_s, started_at_s)
                continue
            if is_refused:
                raise Unavailable("the watch ended at once", resource=self.resource, namespace=self._namespace)
            self._last_event_at_s = self._clock()
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

    def _handle_event(self, event: WatchEvent) -> None:
        self._last_event_at_s = self._clock()
        if event.type == "BOOKMARK":
            self._store.resource_version = event.object["metadata"]["resourceVersion"]
        elif event.type == "DELETED":
            self._notify([self._store.remove(event.object)])
        else:
            self._notify([self._store.put(self._slim(event.object))])

    def _slim(self, obj: Object) -> Object:
        if self._transform is not None:
            obj = self._transform(obj)
        metadata = obj["metadata"]
        if "managedFields" in metadata:
            # A copy: `remember` gets objects that belong to callers.
            obj = {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}
        return obj

    def _notify(self, changes: Iterable[Change | None]) -> None:
        for change in changes:
            if change is None:
                continue
            for listener in tuple(self._listeners):
                try:
                    listener(change)
                except Exception:  # noqa: BLE001  one listener's error must not keep the others from the change
                    _log.exception("%s %s: a listener failed", self.resource.kind, "/".join(change.key))
