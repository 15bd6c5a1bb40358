"""One request, one answer: kubernetes_asyncio's authentication and TLS, and bodies as the bytes they are.

Its generated models and `ApiClient` are left alone. They cost a multiple of the request's own CPU time, and say nothing
about the custom resources that most requests here are about.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from kube.answers import error_from_answer
from kube.errors import BrokenOff, ConfigError, KubeError, TransientError, Unavailable
from kube.login import (
    SERVICE_TOKEN_FILENAME,
    ConfigException,
    Configuration,
    RESTClientObject,
    load_incluster_config,
    load_kube_config,
    refresh_token,
)
from kube.own_time import own_s
from kube.pace import Pace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from kube.resource import Resource

CONNECT_TIMEOUT_S = 3.0

# Most requests have one of a few: of the field manager of a write, of the selector of a list.
_QUERIES = 64

Observe: TypeAlias = "Callable[[str, int | None, float | None], None]"
"""Told of each request: its verb, the answer's HTTP status, None without one, and the seconds that it took.

A watch has no seconds: it is to last.
"""

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request about one object, or about a collection (no name).

    `is_repeatable`: the request is idempotent, so it may be sent again when the answer was lost.
    `plain_path` is sent as it is: what the API server serves beside its resources. `token`, if any, is sent in place of
    the connection's own.
    """

    method: str
    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    is_repeatable: bool = True
    plain_path: str = ""
    token: str = field(default="", repr=False)

    @property
    def verb(self) -> str:
        """Return the verb that rights are given for."""
        if self.method != "GET":
            return _VERBS[self.method]
        if self.name is not None or self.plain_path:
            return "get"
        return "watch" if "watch" in self.query else "list"

    @property
    def path(self) -> str:
        """Return the URL's path and query."""
        # A create is about a named object, but is sent to its collection.
        name = None if self.method == "POST" else self.name
        path = self.plain_path or self.resource.path(self.namespace, name, self.subresource)
        return f"{path}?{_encoded(tuple(self.query.items()))}" if self.query else path


@lru_cache(maxsize=_QUERIES)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    return urlencode(query)


class Connection:
    """A pool of connections to one API server, with the credentials for it."""

    def __init__(
        self,
        configuration: Configuration,
        session: aiohttp.ClientSession,
        user_agent: str,
        observe: Observe = lambda *_: None,
    ) -> None:
        self.pace = Pace()
        """How much may be sent at once, for whoever sends much."""
        self._observe = observe
        self._configuration = configuration
        self._session = session
        self._host = str(configuration.host).rstrip("/")
        self._server_hostname: str | None = configuration.tls_server_name
        self._proxy: str | None = configuration.proxy
        self._headers = {"Accept": "application/json", "User-Agent": user_agent}

    @property
    def host(self) -> str:
        """Return the API server's URL."""
        return self._host

    async def send(self, request: Request, *, timeout_s: float) -> bytes:
        """Send a request; return the body of its answer. Raise the KubeError of a refusal, or of no answer in time."""
        limits = aiohttp.ClientTimeout(total=max(timeout_s, 0.001), sock_connect=CONNECT_TIMEOUT_S)
        started_at_s, before_s = time.monotonic(), own_s()
        try:
            async with self._answer(request, limits) as response:
                body = await response.read()
        except KubeError as error:
            seconds = time.monotonic() - started_at_s
            self._observe(request.verb, error.status, seconds)
            self._note(request, seconds, own_s() - before_s, error)
            raise
        seconds = time.monotonic() - started_at_s
        self._observe(request.verb, response.status, seconds)
        self._note(request, seconds, own_s() - before_s)
        return body

    def _note(self, request: Request, seconds: float, own_s: float, error: KubeError | None = None) -> None:
        """Let the pace learn from an answer. How long a list takes says more of its length than of the server."""
        if isinstance(error, TransientError) and error.is_overload:
            self.pace.note_refusal(error.retry_after_s)
        elif request.verb != "list" and not (isinstance(error, TransientError) and error.is_without_effect):
            self.pace.note_answer(request.namespace or "", seconds, own_s)

    async def lines(self, request: Request, *, silence_s: float) -> AsyncGenerator[bytes, None]:
        """Yield the lines of the answer as they arrive, until the server ends it.

        Raise Unavailable when it breaks off, in the middle of a line too, or stays silent for `silence_s`.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=silence_s)
        async with self._watched(request, limits) as response:
            rest = b""
            # Whole chunks, split here: readline() costs a coroutine a line, and refuses lines of some MiB.
            try:
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line:
                            yield line
            except TimeoutError as error:
                raise _unavailable(request, f"the watch said nothing for {silence_s:.0f} s") from error
            if rest:
                raise _unavailable(request, "the answer broke off in the middle of a line")

    @asynccontextmanager
    async def _watched(self, request: Request, limits: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield an answer that lasts, and tell of it when it begins."""
        has_begun = False
        try:
            async with self._answer(request, limits) as response:
                has_begun = True
                self._observe(request.verb, response.status, None)
                yield response
        except KubeError as error:
            if not has_begun:
                self._observe(request.verb, error.status, None)
            raise

    @asynccontextmanager
    async def _answer(self, request: Request, limits: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(self._host + request.path, encoded=True)
        headers = await self._signed_headers(request)
        try:
            async with self._session.request(
                request.method,
                url,
                data=request.body,
                headers=headers,
                timeout=limits,
                proxy=self._proxy,
                server_hostname=self._server_hostname,
                allow_redirects=False,
            ) as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise error_from_answer(
                        response.status,
                        response.headers,
                        await response.read(),
                        resource=request.resource,
                        namespace=request.namespace,
                        name=request.name,
                    )
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise _unavailable(
                request, f"no connection to {self._host}: {_why(error)}", is_without_effect=True
            ) from error
        except TimeoutError as error:
            raise _unavailable(request, f"no answer from {self._host} in time") from error
        except aiohttp.ClientPayloadError as error:
            text = f"the answer broke off: {error}"
            raise BrokenOff(text, resource=request.resource, namespace=request.namespace, name=request.name) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unavailable(request, f"the answer broke off: {str(error) or type(error).__name__}") from error

    async def _signed_headers(self, request: Request) -> dict[str, str]:
        headers = dict(self._headers)
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        if request.token:
            return headers | {"Authorization": f"Bearer {request.token}"}
        try:
            # Also what makes the library read a mounted token again, once a minute.
            token = await self._configuration.get_api_key_with_prefix("BearerToken")
        except (ConfigException, OSError) as error:
            raise _unavailable(request, f"no token: {error}", is_without_effect=True) from error
        if token:
            headers["Authorization"] = token
        return headers


def _why(error: aiohttp.ClientError) -> str:
    """Return why there is no connection; the library's text has the address once more, and that of each attempt."""
    cause = getattr(error, "os_error", None)
    if not isinstance(cause, OSError) or not cause.errno:
        return str(error)
    return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)


def _unavailable(request: Request, message: str, *, is_without_effect: bool = False) -> TransientError:
    error = Unavailable(message, resource=request.resource, namespace=request.namespace, name=request.name)
    error.is_without_effect = is_without_effect
    return error


@asynccontextmanager
async def open_connection(
    *,
    kubeconfig: Path | None,
    context: str | None,
    user_agent: str,
    max_connections: int,
    observe: Observe = lambda *_: None,
) -> AsyncIterator[Connection]:
    """Open connections by the kubeconfig; without one, by the pod's service account or else the default kubeconfig.

    Nothing is sent yet. Raise ConfigError when none of them is usable.
    """
    configuration = Configuration()
    configuration.connection_pool_maxsize = max_connections
    try:
        refresh = await _load(configuration, kubeconfig, context)
        transport = RESTClientObject(configuration)
    except Exception as error:  # whatever is wrong with the file makes the library raise something else
        source = kubeconfig or "the service account or the default kubeconfig"
        raise ConfigError(f"can't use {source}: {error}") from error
    # The library's own session looks up proxies in the environment at each request: more than half of its CPU time.
    session = aiohttp.ClientSession(
        connector=transport.pool_manager.connector, connector_owner=False, cookie_jar=aiohttp.DummyCookieJar()
    )
    try:
        configuration.proxy = configuration.proxy or _proxy_of_environment(str(configuration.host))
        yield Connection(configuration, session, user_agent, observe)
    finally:
        if refresh is not None:
            refresh.cancel()
            with suppress(asyncio.CancelledError):
                await refresh
        await session.close()
        await transport.close()


async def _load(
    configuration: Configuration, kubeconfig: Path | None, context: str | None
) -> asyncio.Task[None] | None:
    """Fill in `configuration`; return the task that renews the token of a kubeconfig's exec plugin, if there is one."""
    if kubeconfig is None and context is None and _is_in_cluster():
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        return None
    loader = await load_kube_config(
        config_file=str(kubeconfig) if kubeconfig else None, context=context, client_configuration=configuration
    )
    return asyncio.create_task(refresh_token(loader, configuration), name="kubeconfig token refresh")


def _proxy_of_environment(host: str) -> str | None:
    url = URL(host)
    return None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)


def _is_in_cluster() -> bool:
    return Path(SERVICE_TOKEN_FILENAME).exists()
