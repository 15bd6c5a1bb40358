"""Which addresses are asked for a user: looked at when a socket is made, whatever name they were written with."""

import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from agent.caches import Caches
from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.message import Message
from agent.providers.alerts.port import Destination
from agent.providers.errors import ProviderRefused
from agent.providers.hooks import Hooks
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection, Question
from agent.providers.metrics.servers.prometheus import Prometheus
from agent.providers.metrics.sources import Sources
from agent.providers.web.addresses import AddressRefused, AddressRules, parse_range
from agent.providers.web.sessions import environment_proxies, open_session
from canary.api.hooks import CanaryWebhook
from canary.run.judge import Verdict
from canary.run.state import Analysis, State
from tests.support.canaries import canary
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

RULES = AddressRules.read([], api_server="https://10.96.0.1:443", proxies=[])


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("127.0.0.1", "a loopback address"),
        ("127.8.9.10", "a loopback address"),
        ("0.0.0.0", "a loopback address"),  # noqa: S104  an address that is asked, nothing is bound to it
        ("::1", "a loopback address"),
        ("::", "a loopback address"),
        ("::ffff:127.0.0.1", "a loopback address"),
        ("64:ff9b::7f00:1", "a loopback address"),
        ("2002:7f00:1::", "a loopback address"),
        ("169.254.169.254", "a link-local address"),
        ("::ffff:169.254.169.254", "a link-local address"),
        ("fe80::1%eth0", "a link-local address"),
        ("fd00:ec2::254", "the address of a cloud's metadata"),
        ("168.63.129.16", "the address of a cloud's metadata"),
        ("100.100.100.200", "the address of a cloud's metadata"),
        ("224.0.0.1", "a multicast or broadcast address"),
        ("255.255.255.255", "a multicast or broadcast address"),
        ("10.96.0.1", "the API server's address"),
        ("::ffff:10.96.0.1", "the API server's address"),
        ("2130706433", "a loopback address"),
        ("127.1", "a loopback address"),
        ("127.1.", "a loopback address"),
        ("0x7f.1", "a loopback address"),
        ("0x7f000001", "a loopback address"),
        ("0177.0.0.1", "a loopback address"),
        ("017700000001", "a loopback address"),
        ("2852039166", "a link-local address"),
        ("0xa9.254.0251.254", "a link-local address"),
        ("10.6291457", "the API server's address"),
    ],
)
def test_what_only_the_inside_may_ask_is_refused(host: str, why: str) -> None:
    assert RULES.why_refused(host, 443) == why


@pytest.mark.parametrize(
    ("host", "port"),
    [
        *(("10.96.0.1", 9090), ("10.244.1.7", 80), ("192.168.1.1", 80), ("8.8.8.8", 443), ("prom.test", 80)),
        *(("dead.beef", 80), ("127.0.0.1.nip.test", 80), ("10.15990023", 80)),
    ],
)
def test_services_of_the_cluster_and_of_the_world_are_asked(host: str, port: int) -> None:
    assert RULES.why_refused(host, port) == ""


def test_what_the_operator_allows_is_asked() -> None:
    rules = AddressRules.read(["127.0.0.0/8"], api_server="", proxies=["http://localhost:3128", "proxy.test:80"])
    assert rules.why_refused("127.0.0.1", 80) == ""
    assert rules.why_refused("::1", 3128) == ""
    assert rules.why_refused("::1", 80) == "a loopback address"


@pytest.mark.parametrize(
    "value",
    ["127.0.0.1", "127.0.0.1:8080:x", "localhost:*", "127.0.0.1:99999", "[::1]", "[::1", "*", ".svc,10.0.0.0/8"],
)
def test_whatever_no_proxy_says_is_no_proxy(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    rules = AddressRules.read([], api_server="", proxies=environment_proxies())
    assert rules.why_refused("127.0.0.1", 3128) == ""
    assert rules.why_refused("127.0.0.1", 80) == "a loopback address"
    assert rules.why_refused("::1", 80) == "a loopback address"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080:x", "localhost:*", "127.0.0.1:99999", "http://[::1"])
def test_a_proxy_that_is_no_url_is_passed_over(url: str) -> None:
    rules = AddressRules.read([], api_server="", proxies=[url, "http://127.0.0.2:3128"])
    assert rules.proxies == AddressRules.read([], api_server="", proxies=["http://127.0.0.2:3128"]).proxies


@pytest.mark.parametrize("address", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "somewhere.test"])
def test_no_socket_is_made_for_an_address_in_another_spelling(address: str) -> None:
    """As a client would ask for one that leaves reading the address to the kernel's side of the C library."""
    with pytest.raises(AddressRefused, match=r"it leads to (a loopback address|what is no IP address); allowed: "):
        RULES.make_socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80)))


def test_what_is_no_range_is_refused_with_an_example() -> None:
    with pytest.raises(
        ValueError, match=r"found '10\.0\.0\.300'; allowed: a range of addresses such as 10\.1\.0\.0/16"
    ):
        parse_range("10.0.0.300")


class Rebinding(AbstractResolver):
    """A name server of the tenant's own: every name is that of the agent's machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        flags = socket.AI_NUMERICHOST
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=flags)]

    async def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "rebound.test", "2130706433", "127.1", "0x7f.1", "0177.0.0.1"]
)
async def test_neither_a_hook_nor_a_metrics_server_is_asked_there_by_whatever_name(name: str) -> None:
    asked: list[str] = []

    async def inside(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text='{"secret": "hunter2"}')

    async with serving(inside) as url, open_session(RULES) as session:
        if name == "rebound.test":
            session.connector._resolver = Rebinding()  # type: ignore[union-attr]  # the same in a name's clothes
        address = url.replace("127.0.0.1", name)
        hook = CanaryWebhook.model_validate({"name": "gate", "url": address, "retries": 3})
        answer = await Hooks(session=session).ask(canary(), hook, phase=None, revision="rev-2", text="gate")
        connection = Connection(name=address, address=address, timeout_s=PATIENCE_S)
        prometheus = Prometheus(Exchange(session, connection))
        with pytest.raises(
            ProviderRefused, match="it leads to a loopback address; allowed: an address that is none of"
        ):
            await prometheus.value(Question(text="up", interval_s=60, now_s=0))

        async def chat() -> Destination:
            return Destination(name="chat", namespace="test", type="slack", address=address)

        with pytest.raises(ProviderRefused, match="it leads to a loopback address"):
            await Delivery(session=session).deliver(Message("podinfo.test", "info", "x"), chat)
    assert asked == []
    assert answer.verdict is Verdict.ERROR
    assert "it leads to a loopback address" in answer.text


async def test_behind_a_proxy_what_is_written_as_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(request.host)
        return web.Response()

    async with serving(proxy) as url:
        monkeypatch.setenv("http_proxy", url)
        rules = AddressRules.read([], api_server="", proxies=[url])
        async with open_session(rules) as session:
            async with session.get("http://prom.test/"):
                pass
            with pytest.raises(aiohttp.ClientOSError, match="it leads to a link-local address"):
                await session.get("http://169.254.169.254/latest/meta-data/")
    assert asked == ["prom.test"]


async def test_the_operators_own_sessions_ask_anything() -> None:
    async def inside(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async with serving(inside) as url, open_session(None) as session, session.get(url) as response:
        assert response.status == 200
    assert isinstance(response, aiohttp.ClientResponse)


async def test_the_operators_own_metrics_server_may_be_where_a_canarys_may_not() -> None:
    asked: list[str] = []

    async def inside(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text='{"status":"success","data":{"resultType":"vector","result":[]}}')

    client: Any = None
    async with serving(inside) as url, open_session(RULES) as users, open_session(None) as own:
        checks = MetricChecks(
            Sources(users, client, Caches(client, ""), metrics_server=url, timeout_s=PATIENCE_S, own_session=own)
        )
        for made in (canary(), canary(metricsServer=url)):
            assert made.analysis is not None
            await checks.check(made, State(analysis=Analysis(started_at_s=0.0)), made.analysis.metrics[0], 600.0)
    assert asked == ["/api/v1/query"]
