"""Single probes against real sockets on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from sandbox.node.errors import StartError
from sandbox.node.probes import Outcome, ProbeTarget
from tests.support.patience import PATIENCE_S
from tests.support.ports import refused_port


@asynccontextmanager
async def serving(answer: bytes, requests: list[bytes] | None = None) -> AsyncIterator[int]:
    """A server that answers the first line block of each connection with `answer`; yields its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if requests is not None:
            requests.append(request)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def serving_grpc(statuses: dict[str, str], port: int = 0) -> AsyncIterator[int]:
    """Answer health checks with the status of each service; yields the port."""
    servicer = health.aio.HealthServicer()
    for service, status in statuses.items():
        await servicer.set(service, HealthCheckResponse.ServingStatus.Value(status))
    server = grpc.aio.server()
    add_HealthServicer_to_server(servicer, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)


async def check(
    action: dict[str, Any], *, ports: dict[str, int] | None = None, timeout_s: float = PATIENCE_S
) -> Outcome:
    async def execute(argv: list[str]) -> tuple[int, str]:
        if argv == ["missing"]:
            raise StartError("executable file not found in $PATH")
        return (0, "") if argv == ["true"] else (1, f"{argv[0]} failed")

    return await ProbeTarget("127.0.0.1", ports or {}, execute).check(action, timeout_s)


@pytest.mark.parametrize(("status", "is_good"), [(200, True), (302, True), (399, True), (404, False), (503, False)])
async def test_an_http_probe_goes_by_the_status_code(status: int, *, is_good: bool) -> None:
    async with serving(f"HTTP/1.1 {status} Whatever\r\n\r\n".encode()) as port:
        outcome = await check({"httpGet": {"path": "/x", "port": port}})
    assert outcome.is_good == is_good
    assert outcome.message == ("" if is_good else f"HTTP probe failed with statuscode: {status}")


async def test_an_http_probe_sends_path_and_headers_to_a_named_port() -> None:
    requests: list[bytes] = []
    async with serving(b"HTTP/1.1 200 OK\r\n\r\n", requests) as port:
        get = {"path": "/ready?x=1", "port": "web", "httpHeaders": [{"name": "Host", "value": "app.example.com"}]}
        assert (await check({"httpGet": get}, ports={"web": port})).is_good
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "GET /ready?x=1 HTTP/1.1"
    assert "Host: app.example.com" in lines
    assert any(line.startswith("User-Agent: kube-probe/") for line in lines)


async def test_an_unknown_port_name_is_told_with_the_known_ones() -> None:
    outcome = await check({"tcpSocket": {"port": "wbe"}}, ports={"web": 1})
    assert outcome == Outcome(is_good=False, message="the container has no port named 'wbe'; it has: web")


async def test_a_tcp_probe_wants_a_listener() -> None:
    async with serving(b"") as port:
        assert (await check({"tcpSocket": {"port": port}})).is_good
    with refused_port() as port:
        assert not (await check({"tcpSocket": {"port": port}})).is_good


async def test_a_probe_that_takes_too_long_has_failed() -> None:
    outcome = await check({"sleep": {"seconds": 60}}, timeout_s=0.01)
    assert outcome == Outcome(is_good=False, message="no answer within 0.01s")


async def test_an_exec_probe_goes_by_the_exit_code() -> None:
    assert (await check({"exec": {"command": ["true"]}})).is_good
    assert await check({"exec": {"command": ["false"]}}) == Outcome(is_good=False, message="false failed")


async def test_of_an_exec_probe_that_can_not_be_started_nothing_is_known_but_why() -> None:
    outcome = await check({"exec": {"command": ["missing"]}})
    assert outcome == Outcome(is_good=False, message="executable file not found in $PATH", is_known=False)


@pytest.mark.parametrize(("status", "message"), [("SERVING", ""), ("NOT_SERVING", "service unhealthy")])
async def test_a_grpc_probe_wants_the_answer_serving(status: str, message: str) -> None:
    async with serving_grpc({"pod": status}) as port:
        outcome = await check({"grpc": {"port": port, "service": "pod"}})
    assert outcome.is_good == (status == "SERVING")
    assert outcome.message.startswith(message)


async def test_a_grpc_probe_of_a_service_that_nobody_knows_has_failed() -> None:
    async with serving_grpc({"pod": "SERVING"}) as port:
        assert await check({"grpc": {"port": port, "service": "other"}}) == Outcome(
            is_good=False, message="NOT_FOUND: "
        )


async def test_a_grpc_probe_that_was_refused_is_tried_anew() -> None:
    with refused_port() as port:
        outcome = await check({"grpc": {"port": port}})
    assert not outcome.is_good
    assert outcome.message.startswith("UNAVAILABLE: ")
    async with serving_grpc({"": "SERVING"}, port) as port:
        assert (await check({"grpc": {"port": port}})).is_good
