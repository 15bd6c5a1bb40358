"""A small client of the API server: plain dicts in and out, and a list+watch cache (Mirror).

Not kube/: that would take 40 MB more in each of a cluster's long-lived processes, for the import of kubernetes_asyncio.
"""

import asyncio
import json
import logging
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson

_log = logging.getLogger(__name__)

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REQUEST_TIMEOUT_S = 30.0
_WATCH_S = 300  # the server ends a watch after this; a client that hears nothing for longer has lost its connection
_WATCH_SILENCE_S = _WATCH_S + 30
_LONGEST_LINE_BYTES = 16 * 1024 * 1024  # one watch event is one line, and an object may have 1.5 MiB
_GONE = 410
_RETRY_S = 0.5


class ApiError(Exception):
    """The API server refused: `status` is the HTTP code, `reason` and `message` are those of its Status object."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class ApiUnreachableError(ApiError):
    """No answer at all (`status` is 0): refused, reset, or silent for too long. Asking again may help."""

    def __init__(self, url: str, cause: BaseException) -> None:
        super().__init__(0, "Unreachable", f"{url}: {type(cause).__name__}: {cause}")


@dataclass
class TokenFile:
    """A mounted token, read again when the kubelet stand-in has rotated it."""

    path: Path
    _mtime_ns: int = -1
    _token: str = ""

    def read(self) -> str:
        mtime_ns = self.path.stat().st_mtime_ns
        if mtime_ns != self._mtime_ns:
            self._token = self.path.read_text().strip()
            self._mtime_ns = mtime_ns
        return self._token


@dataclass
class Api:
    """An async context manager over one keep-alive session; every method raises ApiError."""

    server: str
    tls: ssl.SSLContext | None
    token: str | TokenFile | None
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)

    @classmethod
    def connect(cls, server: str, *, ca_path: Path | None, token: str | None) -> "Api":
        """Talk to `server` (https://host:port); its certificate is held to the CA in `ca_path`."""
        tls = ssl.create_default_context(cafile=str(ca_path)) if ca_path else None
        return cls(server.rstrip("/"), tls, token)

    @classmethod
    def from_kubeconfig(cls, path: Path) -> "Api":
        """Read one of the sandbox's own kubeconfigs: JSON, with one cluster and one user's token."""
        config = json.loads(path.read_text())
        cluster = config["clusters"][0]["cluster"]
        return cls.connect(
            cluster["server"],
            ca_path=Path(cluster["certificate-authority"]),
            token=config["users"][0]["user"]["token"],
        )

    @classmethod
    def in_cluster(cls) -> "Api":
        """Connect as a pod does: the server from the environment, CA and token from the mounted service account."""
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        api = cls.connect(f"https://{host}:{port}", ca_path=_SERVICE_ACCOUNT / "ca.crt", token=None)
        api.token = TokenFile(_SERVICE_ACCOUNT / "token")
        return api

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls or True, limit=0),
            timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S),
            read_bufsize=_LONGEST_LINE_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, *, field_selector: str = "", label_selector: str = "") -> dict[str, Any]:
        """Return one object, or a collection's List with `items` and the resourceVersion to watch from."""
        return await self._request("GET", path, query=_query(field_selector, label_selector))

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST `body` to the collection at `path`."""
        return await self._request("POST", path, body)

    async def merge_patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._request("PATCH", path, body, content_type="application/merge-patch+json")

    async def json_patch(self, path: str, ops: list[dict[str, Any]]) -> dict[str, Any]:
        return await self._request("PATCH", path, ops, content_type="application/json-patch+json")

    async def replace(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT `body`, with the resourceVersion that it carries as the condition."""
        return await self._request("PUT", path, body)

    async def delete(self, path: str, *, grace_s: int | None = None) -> dict[str, Any]:
        """Delete one object; `grace_s` 0 removes a pod at once."""
        body = None if grace_s is None else {"gracePeriodSeconds": grace_s}
        return await self._request("DELETE", path, body)

    async def watch(
        self, path: str, *, resource_version: str, field_selector: str = "", label_selector: str = ""
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield `{"type": ADDED|MODIFIED|DELETED|BOOKMARK, "object": {...}}` until the server ends the watch.

        Raises ApiError with status 410 when `resource_version` is too old.
        """
        query = _query(field_selector, label_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(_WATCH_S),
        }
        url = self.server + path
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_REQUEST_TIMEOUT_S, sock_read=_WATCH_SILENCE_S)
        try:
            async with self._open().get(url, params=query, headers=self._headers(), timeout=timeout) as response:
                if not response.ok:
                    raise _refusal(response.status, await response.read())
                async for line in response.content:
                    event: dict[str, Any] = orjson.loads(line)
                    if event["type"] == "ERROR":
                        raise _refusal(event["object"].get("code", 500), orjson.dumps(event["object"]))
                    yield event
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachableError(url, error) from error

    async def _request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        url = self.server + path
        data = None if body is None else orjson.dumps(body)
        headers = self._headers() | {"Content-Type": content_type}
        try:
            async with self._open().request(method, url, data=data, params=query, headers=headers) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachableError(url, error) from error
        if not response.ok:
            raise _refusal(response.status, raw)
        answer: dict[str, Any] = orjson.loads(raw)
        return answer

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Api is an async context manager: use it inside `async with`")
        return self._session

    def _headers(self) -> dict[str, str]:
        token = self.token.read() if isinstance(self.token, TokenFile) else self.token
        return {"Authorization": f"Bearer {token}"} if token else {}


class Mirror:
    """A list+watch cache of one collection, for example /api/v1/pods.

    `objects` maps (namespace, name) to the object, apiVersion and kind included; never write to them.
    `changed` is set at every change; the consumer clears it before it looks.
    """

    def __init__(self, api: Api, path: str, *, field_selector: str = "", label_selector: str = "") -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.changed = asyncio.Event()
        self._api = api
        self._path = path
        self._field_selector = field_selector
        self._label_selector = label_selector
        self._synced = asyncio.Event()

    async def run(self) -> None:
        """Keep the cache true, for ever: a lost watch goes on where it was, a broken or too old one lists again."""
        while True:
            try:
                resource_version = await self._list()
                while True:
                    resource_version = await self._watch(resource_version)
            except ApiError as error:
                if error.status != _GONE:
                    _log.warning("%s: %s; listing again", self._path, error)
                    await asyncio.sleep(_RETRY_S)

    async def wait_synced(self) -> None:
        """Return once the first list is in `objects`."""
        await self._synced.wait()

    async def _list(self) -> str:
        answer = await self._api.get(
            self._path, field_selector=self._field_selector, label_selector=self._label_selector
        )
        kind = answer["kind"].removesuffix("List")
        self.objects = {
            _key(item): {"apiVersion": answer["apiVersion"], "kind": kind} | item for item in answer["items"]
        }
        self._synced.set()
        self.changed.set()
        return str(answer["metadata"]["resourceVersion"])

    async def _watch(self, resource_version: str) -> str:
        events = self._api.watch(
            self._path,
            resource_version=resource_version,
            field_selector=self._field_selector,
            label_selector=self._label_selector,
        )
        async for event in events:
            item = event["object"]
            resource_version = str(item["metadata"]["resourceVersion"])
            match event["type"]:
                case "BOOKMARK":
                    continue
                case "DELETED":
                    self.objects.pop(_key(item), None)
                case _:
                    self.objects[_key(item)] = item
            self.changed.set()
        return resource_version


def _key(item: dict[str, Any]) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _query(field_selector: str, label_selector: str) -> dict[str, str]:
    query = {"fieldSelector": field_selector, "labelSelector": label_selector}
    return {key: value for key, value in query.items() if value}


def _refusal(status: int, raw: bytes) -> ApiError:
    try:
        answer = orjson.loads(raw)
        return ApiError(status, str(answer.get("reason", "")), str(answer.get("message", "")))
    except (orjson.JSONDecodeError, AttributeError):
        return ApiError(status, "", raw.decode(errors="replace")[:500])
