"""The verbs of the API server, on plain dicts."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import orjson

from kube.answers import error_from_status
from kube.backoff import Backoff
from kube.connection import Connection, Request, open_connection
from kube.errors import Gone, Invalid, PermanentError, PreconditionFailed, TransientError
from kube.json_text import loads
from kube.paging import MOST_OBJECTS, PageLimit
from kube.resource import Resource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from kube.connection import Observe
    from kube.pace import Pace
    from kube.resource import Object, Objects

    JsonPatch: TypeAlias = Sequence[Mapping[str, Any]]

ATTEMPTS = 4
# The server sends a bookmark about once a minute to a watch that asked for them: 60 s and up to a quarter more.
WATCH_SILENCE_S = 90.0


class WatchEvent(NamedTuple):
    """`type` is ADDED, MODIFIED, DELETED, or BOOKMARK: then only `metadata.resourceVersion` of the object counts."""

    type: str
    object: Object


class Page(NamedTuple):
    """One page of a list; `resource_version` is that of the whole list."""

    items: Objects
    resource_version: str


@dataclass(frozen=True)
class Client:
    """A client of one API server; `async with Client.connect(...)` makes one.

    Every verb raises the KubeErrors of kube.errors and ends within `deadline_s`, its retries included. A TransientError
    is retried (up to 4 attempts in all, back-off with jitter, at least Retry-After) where that is safe: GET, DELETE,
    apply, merge patch, a replace with a resourceVersion, a JSON patch with a `test`. If only the answer was lost, the
    second attempt meets the effect of the first, and raises NotFound, Conflict or PreconditionFailed. The caller reads
    again then, as after anybody else's write. Anything else (create above all) is retried only if the server can't
    have acted on it: no connection was made, or the answer was 429 or 401. (Below this, aiohttp sends a GET, PUT or
    DELETE again if a connection that it kept open turns out to be closed.)
    """

    connection: Connection
    deadline_s: float = 10.0
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    guard: Callable[[str], None] = lambda _: None

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        *,
        kubeconfig: Path | None = None,
        context: str | None = None,
        user_agent: str,
        deadline_s: float = 10.0,
        max_connections: int = 64,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observe: Observe = lambda *_: None,
    ) -> AsyncIterator[Client]:
        """Connect with `kubeconfig`, else with the pod's service account, else with the default kubeconfig.

        `observe` is told of each request, retries too.
        Each watch holds one of `max_connections` all the time; further requests wait, within their deadline. The
        part of `user_agent` before the slash is the field manager of writes that name none. Raise ConfigError if there
        is no usable configuration.
        """
        async with open_connection(
            kubeconfig=kubeconfig,
            context=context,
            user_agent=user_agent,
            max_connections=max_connections,
            observe=observe,
        ) as connection:
            yield cls(connection, deadline_s=deadline_s, backoff=backoff or Backoff(), clock=clock, sleep=sleep)

    @property
    def host(self) -> str:
        """Return the API server's URL."""
        return self.connection.host

    @property
    def pace(self) -> Pace:
        """Return how much may be sent at once, for whoever sends much."""
        return self.connection.pace

    def within(self, deadline_s: float) -> Client:
        """Return a client with the same connections and another deadline for each call."""
        return replace(self, deadline_s=deadline_s)

    def once(self, deadline_s: float) -> Client:
        """Return a client with the same connections that sends each request once, for a caller who comes again."""
        return replace(self, deadline_s=deadline_s, backoff=Backoff(first_s=math.inf, max_s=math.inf))

    def guarded(self, guard: Callable[[str], None]) -> Client:
        """Return a client with the same connections that calls `guard` before each write, retries too.

        It is told the namespace, empty for what is in none.

        What `guard` raises, the caller gets; then nothing was sent.
        """
        return replace(self, guard=guard)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """Read an object. Raise NotFound."""
        return await self._object(Request("GET", resource, namespace, name))

    async def read(self, path: str, query: Mapping[str, str] | None = None, *, token: str = "") -> Object:
        """Read what is served beside the resources: `/version`, or what a Service answers behind the server's proxy.

        `token`, if any, is somebody else's, whose rights count in place of the client's own.
        """
        resource = Resource("", "v1", path, path)
        return await self._object(Request("GET", resource, query=query or {}, plain_path=path, token=token))

    async def list(
        self, resource: Resource, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Objects:
        """Return all objects of one namespace, or of the cluster, in the server's order."""
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        for is_last_try in (False, True):
            items: Objects = []
            try:
                # All are wanted at once, so that smaller pages would spare nothing.
                limit = PageLimit(MOST_OBJECTS)
                async with aclosing(self.pages(resource, namespace, limit=limit, **selectors)) as pages:
                    async for page in pages:
                        items += page.items
            except Gone:
                # The continue token expired. Once is bad luck, twice is worth an error.
                if is_last_try:
                    raise
            else:
                return items
        raise AssertionError("the second try returns or raises")

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: PageLimit | None = None,
    ) -> AsyncGenerator[Page, None]:
        """Yield a consistent list, page by page; see `PageLimit`. Raise Gone when the continue token expires.

        Whoever is done with a page's items removes them: they would stay until the next page is there.
        """
        limit = limit or PageLimit()
        query = _selectors(label_selector, field_selector)
        while True:
            request = Request("GET", resource, namespace, query={"limit": str(limit.objects)} | query)
            page, query["continue"] = self._page(request, await self._call(request), limit)
            yield page
            if not query["continue"]:
                return

    def _page(self, request: Request, body: bytes, limit: PageLimit) -> tuple[Page, str]:
        """Return a page, and the token of the next one, "" for none."""
        answer = _parse(body, request)
        items: Objects = answer.get("items") or []
        limit.note(len(items), len(body))
        for item in items:
            # A list's items lack both; objects look the same here wherever they come from.
            item.setdefault("apiVersion", request.resource.api_version)
            item.setdefault("kind", request.resource.kind)
        metadata = answer.get("metadata") or {}
        return Page(items, str(metadata.get("resourceVersion", ""))), str(metadata.get("continue") or "")

    async def create(
        self, resource: Resource, body: Object, namespace: str | None = None, *, is_dry_run: bool = False
    ) -> Object:
        """Create an object; the body may have the namespace instead. Raise AlreadyExists, Invalid, Rejected.

        A dry run is judged as any, by admission webhooks too, and stores nothing.
        """
        request = self._body_request("POST", resource, body, namespace=namespace)
        query = {"dryRun": "All"} if is_dry_run else {}
        return await self._object(replace(request, query=query, is_repeatable=is_dry_run))

    async def replace(self, resource: Resource, body: Object, *, subresource: str | None = None) -> Object:
        """Replace an object (PUT). Without a resourceVersion in the body the last writer wins.

        Raise Conflict when the body's resourceVersion is not the stored one.
        """
        request = self._body_request("PUT", resource, body, subresource=subresource)
        is_guarded = bool(body["metadata"].get("resourceVersion"))
        return await self._object(replace(request, is_repeatable=is_guarded))

    async def apply(
        self,
        resource: Resource,
        body: Object,
        *,
        field_manager: str,
        is_forced: bool = True,
        subresource: str | None = None,
    ) -> Object:
        """Create the object or, by server-side apply, own the fields in `body` and leave the others.

        Raise Conflict when the body's resourceVersion is not the stored one, or, when not forced, a field is another
        manager's.
        """
        request = self._body_request("PATCH", resource, body, subresource=subresource)
        query = {"fieldManager": field_manager, "force": "true" if is_forced else "false"}
        return await self._object(replace(request, query=query, content_type="application/apply-patch+yaml"))

    async def json_patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        operations: JsonPatch,
        *,
        subresource: str | None = None,
        field_manager: str | None = None,
    ) -> Object:
        """Patch an object by RFC 6902; unlike there, the API server's `replace` may add a missing key.

        Raise PreconditionFailed when a `test` does not hold; or, if `operations` have one, when a path is not there:
        the server's answer to both is the same. Without a `test` that is Invalid.
        """
        tested = [str(operation["path"]) for operation in operations if operation.get("op") == "test"]
        place = Request("PATCH", resource, namespace, name, subresource, is_repeatable=bool(tested))
        try:
            return await self._patch(place, list(operations), "application/json-patch+json", field_manager)
        except Invalid as error:
            # A refused object comes with causes. This answer has none, nor a word about which operation failed.
            if not tested or error.status != HTTPStatus.UNPROCESSABLE_ENTITY or error.causes:
                raise
            message = f"it is not as the patch expects it; tested were {', '.join(tested)}"
            raise PreconditionFailed(
                message, status=error.status, reason=error.reason, resource=resource, namespace=namespace, name=name
            ) from error

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: Object,
        *,
        subresource: str | None = None,
        field_manager: str | None = None,
    ) -> Object:
        """Patch an object by RFC 7386. Raise Conflict when `patch` has a resourceVersion that is not the stored one."""
        place = Request("PATCH", resource, namespace, name, subresource)
        return await self._patch(place, patch, "application/merge-patch+json", field_manager)

    async def _patch(
        self, place: Request, patch: Object | JsonPatch, content_type: str, field_manager: str | None
    ) -> Object:
        query = {"fieldManager": field_manager} if field_manager else {}
        return await self._object(replace(place, query=query, body=orjson.dumps(patch), content_type=content_type))

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "Background",
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete an object. Raise NotFound, and Conflict when it has another uid or resourceVersion than is given."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        given = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {name: value for name, value in given.items() if value is not None}
        if preconditions:
            options["preconditions"] = preconditions
        await self._call(Request("DELETE", resource, namespace, name, body=orjson.dumps(options)))

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        timeout_s: float,
        label_selector: str = "",
        field_selector: str = "",
        silence_s: float = WATCH_SILENCE_S,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield the events after `resource_version`, bookmarks too, until the server ends the watch after `timeout_s`.

        Not retried: only the caller knows the last event. Raise Gone when the version is too old, Unavailable when the
        stream breaks off or is silent for `silence_s`. Use it with `contextlib.aclosing`.
        """
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(timeout_s))),
        }
        request = Request("GET", resource, namespace, query=query)
        async with aclosing(self.connection.lines(request, silence_s=silence_s)) as lines:
            async for line in lines:
                event = _parse(line, request)
                if event["type"] == "ERROR":
                    raise error_from_status(event["object"], resource=resource, namespace=namespace)
                yield WatchEvent(event["type"], event["object"])

    def _body_request(
        self,
        method: str,
        resource: Resource,
        body: Object,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Request:
        metadata = body.get("metadata") or {}
        name = metadata.get("name")
        namespace = namespace or metadata.get("namespace")
        if name is None and method != "POST":
            raise Invalid("metadata.name is missing: it says which object is meant", resource=resource)
        if resource.is_namespaced and namespace is None:
            raise Invalid("metadata.namespace is missing: it says where the object lives", resource=resource, name=name)
        typed = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        return Request(method, resource, namespace, name, subresource, body=orjson.dumps(typed))

    async def _object(self, request: Request) -> Object:
        return _parse(await self._call(request), request)

    async def _call(self, request: Request) -> bytes:
        """Send a request, and retry it; nothing else here retries."""
        deadline_at_s = self.clock() + self.deadline_s
        failures = 0
        while True:
            if request.method != "GET":
                self.guard(request.namespace or "")
            try:
                return await self.connection.send(request, timeout_s=deadline_at_s - self.clock())
            except TransientError as error:
                failures += 1
                delay_s = max(error.retry_after_s, self.backoff.delay_s(failures))
                is_safe = request.is_repeatable or error.is_without_effect
                if not is_safe or failures >= ATTEMPTS or self.clock() + delay_s >= deadline_at_s:
                    raise
            await self.sleep(delay_s)


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in selectors.items() if value}


def _parse(body: bytes, request: Request) -> Object:
    try:
        parsed = loads(body)
    except orjson.JSONDecodeError as error:
        raise PermanentError(
            f"the answer is not JSON: {body[:80]!r}",
            resource=request.resource,
            namespace=request.namespace,
            name=request.name,
        ) from error
    if not isinstance(parsed, dict):
        raise PermanentError(f"the answer is not an object: {body[:80]!r}", resource=request.resource)
    return parsed
