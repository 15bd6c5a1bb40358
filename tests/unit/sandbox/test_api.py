"""The sandbox's client of the API server, against a small HTTP server that plays one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox import api as api_module
from sandbox.api import Api, ApiError, ApiUnreachableError, Mirror
from tests.support.patience import PATIENCE_S
from tests.support.ports import refused_port

PODS = "/api/v1/pods"


def pod(name: str, version: int, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "test", "name": name, "resourceVersion": str(version)}, **fields}


class PlayedServer:
    """Answers the n-th list with `lists[n]`, the n-th watch with the lines of `watches[n]`, then stays silent."""

    def __init__(self, lists: list[list[dict[str, Any]]], watches: list[list[dict[str, Any]]]) -> None:
        self.lists = lists
        self.watches = watches
        self.queries: list[dict[str, str]] = []
        self.is_silent = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        if "watch" not in request.query:
            items = self.lists.pop(0)
            metadata = {"resourceVersion": "100"}
            return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items})
        response = web.StreamResponse()
        await response.prepare(request)
        if self.watches:
            for event in self.watches.pop(0):
                await response.write(json.dumps(event).encode() + b"\n")
        else:
            self.is_silent.set()
            await asyncio.Event().wait()
        return response

    @asynccontextmanager
    async def mirror(self) -> AsyncIterator[Mirror]:
        app = web.Application()
        app.router.add_get(PODS, self.handle)
        async with TestServer(app) as server, Api.connect(str(server.make_url("")), ca_path=None, token=None) as api:
            mirror = Mirror(api, PODS, label_selector="app=podinfo")
            task = asyncio.create_task(mirror.run())
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await mirror.wait_synced()
                    yield mirror
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


async def until(mirror: Mirror, names: set[str]) -> None:
    while {name for _, name in mirror.objects} != names:
        mirror.changed.clear()
        await mirror.changed.wait()


async def test_a_mirror_lists_then_follows_the_watch() -> None:
    server = PlayedServer(
        lists=[[pod("a", 1), pod("b", 2)]],
        watches=[
            [
                {"type": "ADDED", "object": pod("c", 101)},
                {"type": "DELETED", "object": pod("a", 102)},
                {"type": "MODIFIED", "object": pod("b", 103, spec="new")},
                {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "110"}}},
            ]
        ],
    )
    async with server.mirror() as mirror:
        await until(mirror, {"b", "c"})
        while "spec" not in mirror.objects["test", "b"]:
            mirror.changed.clear()
            await mirror.changed.wait()
        await server.is_silent.wait()
    assert [query.get("resourceVersion") for query in server.queries] == [None, "100", "110"]
    assert all(query["labelSelector"] == "app=podinfo" for query in server.queries)


async def test_listed_objects_say_their_kind_as_watched_ones_do() -> None:
    async with PlayedServer(lists=[[pod("a", 1)]], watches=[]).mirror() as mirror:
        assert mirror.objects["test", "a"]["kind"] == "Pod"
        assert mirror.objects["test", "a"]["apiVersion"] == "v1"


async def test_a_watch_that_is_too_old_lists_again_and_forgets_what_is_gone() -> None:
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
    server = PlayedServer(lists=[[pod("a", 1)], [pod("b", 2)]], watches=[[gone]])
    async with server.mirror() as mirror:
        await until(mirror, {"b"})


async def test_a_server_that_fails_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "_RETRY_S", 0)
    failing = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "reason": "InternalError", "message": "x"}}
    server = PlayedServer(lists=[[pod("a", 1)], [pod("a", 1), pod("b", 2)]], watches=[[failing]])
    async with server.mirror() as mirror:
        await until(mirror, {"a", "b"})


async def test_a_refusal_carries_the_words_of_the_server() -> None:
    async def refuse(_: web.Request) -> web.Response:
        status = {"kind": "Status", "reason": "NotFound", "message": 'pods "a" not found'}
        return web.json_response(status, status=404)

    app = web.Application()
    app.router.add_get(PODS, refuse)
    async with TestServer(app) as server, Api.connect(str(server.make_url("")), ca_path=None, token=None) as api:
        with pytest.raises(ApiError) as caught:
            await api.get(PODS)
    assert (caught.value.status, caught.value.reason) == (404, "NotFound")
    assert str(caught.value) == '404 NotFound: pods "a" not found'


async def test_no_server_is_an_error_of_its_own() -> None:
    with refused_port() as port:
        async with Api.connect(f"http://127.0.0.1:{port}", ca_path=None, token=None) as api:
            with pytest.raises(ApiUnreachableError):
                await api.get(PODS)


async def test_the_verbs_send_what_the_api_server_expects() -> None:
    seen: list[tuple[str, str, Any, str | None]] = []

    async def record(request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        seen.append((request.method, request.content_type, body, request.headers.get("Authorization")))
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", PODS, record)
    async with TestServer(app) as server, Api.connect(str(server.make_url("")), ca_path=None, token="t") as api:
        await api.create(PODS, {"a": 1})
        await api.replace(PODS, {"a": 2})
        await api.merge_patch(PODS, {"a": None})
        await api.json_patch(PODS, [{"op": "test", "path": "/a", "value": 1}])
        await api.delete(PODS, grace_s=0)
    assert [(method, kind, body) for method, kind, body, _ in seen] == [
        ("POST", "application/json", {"a": 1}),
        ("PUT", "application/json", {"a": 2}),
        ("PATCH", "application/merge-patch+json", {"a": None}),
        ("PATCH", "application/json-patch+json", [{"op": "test", "path": "/a", "value": 1}]),
        ("DELETE", "application/json", {"gracePeriodSeconds": 0}),
    ]
    assert {authorization for *_, authorization in seen} == {"Bearer t"}


async def test_a_mounted_token_is_read_again_when_it_was_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    async def record(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    app = web.Application()
    app.router.add_get(PODS, record)
    token = tmp_path / "token"
    token.write_text("old\n")
    async with TestServer(app) as server, Api(str(server.make_url("")).rstrip("/"), None, None) as api:
        api.token = api_module.TokenFile(token)
        await api.get(PODS)
        rotated = tmp_path / "rotated"
        rotated.write_text("new\n")
        rotated.replace(token)
        await api.get(PODS)
    assert seen == ["Bearer old", "Bearer new"]
