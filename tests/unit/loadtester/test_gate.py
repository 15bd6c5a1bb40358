"""Gates over HTTP: Flagger's paths, codes and words."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession

from loadtester.server import build_app, serving

PODINFO = {"name": "podinfo", "namespace": "test"}


@asynccontextmanager
async def serving_gates(namespaces: str = "") -> AsyncIterator[ClientSession]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = build_app(timeout_s=1.0, namespace_pattern=re.compile(namespaces))
    async with serving(app, listener), ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}") as session:
        yield session


@pytest.fixture
async def gates() -> AsyncIterator[ClientSession]:
    async with serving_gates() as session:
        yield session


async def post(session: ClientSession, path: str, body: object = PODINFO) -> tuple[int, str]:
    async with session.post(path, json=body) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("kind", ["gate", "rollback"])
async def test_a_gate_is_closed_until_it_is_opened_and_after_it_is_closed(gates: ClientSession, kind: str) -> None:
    assert await post(gates, f"/{kind}/check") == (403, "Forbidden")
    for _ in range(2):
        assert await post(gates, f"/{kind}/open") == (202, "")
        assert await post(gates, f"/{kind}/check") == (200, "Approved")
    for _ in range(2):
        assert await post(gates, f"/{kind}/close") == (202, "")
        assert await post(gates, f"/{kind}/check") == (403, "Forbidden")


@pytest.mark.parametrize(("opened", "other"), [("gate", "rollback"), ("rollback", "gate")])
async def test_the_two_kinds_don_t_know_each_other(gates: ClientSession, opened: str, other: str) -> None:
    await post(gates, f"/{opened}/open")
    assert await post(gates, f"/{other}/check") == (403, "Forbidden")


@pytest.mark.parametrize("other", [{"name": "podinfo", "namespace": "prod"}, {"name": "web", "namespace": "test"}])
async def test_each_canary_has_its_own(gates: ClientSession, other: dict[str, str]) -> None:
    await post(gates, "/gate/open")
    assert await post(gates, "/gate/check", other) == (403, "Forbidden")


async def test_names_with_dots_are_not_mixed_up(gates: ClientSession) -> None:
    await post(gates, "/gate/open", {"name": "a.b", "namespace": "c"})
    assert await post(gates, "/gate/check", {"name": "a", "namespace": "b.c"}) == (403, "Forbidden")


async def test_the_whole_payload_of_a_hook_is_taken(gates: ClientSession) -> None:
    payload = PODINFO | {"phase": "Waiting", "checksum": "85d557f47b", "metadata": {"team": "a"}}
    await post(gates, "/gate/open")
    assert await post(gates, "/gate/check", payload) == (200, "Approved")


async def test_approve_and_halt_ask_for_nothing(gates: ClientSession) -> None:
    async with gates.get("/gate/approve") as response:
        assert (response.status, await response.text()) == (200, "OK")
    async with gates.post("/gate/halt", data=b"not even JSON") as response:
        assert (response.status, await response.text()) == (403, "Forbidden")


@pytest.mark.parametrize("path", ["/gate/check", "/gate/open", "/gate/close", "/rollback/check", "/rollback/open"])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body: found b'', allowed is a hook's payload, a JSON object"),
        (b"name=podinfo", "body: found b'name=podinfo', allowed is a hook's payload, a JSON object"),
        (b'"podinfo"', 'body: found "podinfo", allowed is a hook\'s payload, a JSON object'),
        (b'{"namespace": "test"}', 'name: found "", allowed is the name of a canary'),
        (b'{"name": "podinfo"}', 'namespace: found "", allowed is the namespace of a canary'),
        (b'{"name": ["podinfo"], "namespace": "test"}', 'name: found ["podinfo"], allowed is a string'),
    ],
)
async def test_a_payload_that_names_no_canary_is_refused(
    gates: ClientSession, path: str, body: bytes, message: str
) -> None:
    async with gates.post(path, data=body) as response:
        assert response.status == 400
        assert message in await response.text()


async def test_gates_of_other_namespaces_are_refused() -> None:
    async with serving_gates("^test$") as session:
        assert await post(session, "/gate/open") == (202, "")
        status, text = await post(session, "/gate/open", {"name": "podinfo", "namespace": "prod"})
    assert (status, text) == (403, "namespace: found 'prod', allowed is what --namespace-regexp=^test$ matches")
