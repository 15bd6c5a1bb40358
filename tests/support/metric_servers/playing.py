"""Playing a MetricTemplate against a metric server of a test: real objects, a real check, the real HTTP."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from socket import AddressFamily
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult
from kubernetes_asyncio.client import Configuration

from agent.caches import Caches
from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderError
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.sources import Sources
from agent.providers.web.addresses import AddressRules
from agent.providers.web.sessions import open_session
from agent.resources import METRIC_TEMPLATES
from canary.api.metric_template import PROVIDER_FIELDS
from canary.run.judge import CheckResult
from canary.run.state import Analysis, State
from kube.client import Client
from kube.connection import Connection
from kube.errors import NotFound
from kube.resource import Object, Resource
from tests.support.canaries import canary
from tests.support.metric_servers.server import NOW_S, FakeMetricServer
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

SECRET = "metrics-login"
OWN_TOKEN = "agents-own-token"


class Api:
    """The API server, as far as a check asks it: Secrets by namespace and name; the rest is the played server's."""

    def __init__(self, client: Client | None = None) -> None:
        self.secrets: dict[tuple[str, str], Mapping[str, str]] = {}
        self._client = client

    def once(self, deadline_s: float) -> Client:
        """Return the client of the server that is played, for what is asked of it as an API server."""
        assert self._client is not None
        return self._client.once(deadline_s)

    async def get(self, resource: Resource, name: str, namespace: str) -> Object:
        found = self.secrets.get((namespace, name))
        if found is None:
            raise NotFound(f"secrets {name!r} not found", status=404, resource=resource, namespace=namespace, name=name)
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in found.items()}}


class Leading(AbstractResolver):
    """A name server by which every name is that of a server on loopback, whatever its port."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=self._port, family=AddressFamily.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Do nothing."""


@dataclass
class Played:
    """A check of a canary `podinfo` in `test`, by a template. `told` is what each request to the server came to."""

    api: Api
    checks: MetricChecks
    template: Object
    told: list[tuple[str, ProviderError | None]] = field(default_factory=list)

    async def check(self, *, now_s: float = NOW_S, started_s_ago: float = 600.0, **metric: Any) -> CheckResult:
        """Judge it: at most 5. The revision had its first traffic that long ago."""
        metadata = self.template["metadata"]
        reference = {"name": metadata["name"], "namespace": metadata["namespace"]}
        known = {"name": "probe", "templateRef": reference, "thresholdRange": {"max": 5}, "interval": "1m"}
        made = canary({"metrics": [known | metric]})
        assert made.analysis is not None
        state = State(analysis=Analysis(started_at_s=now_s - started_s_ago))
        return await self.checks.check(made, state, made.analysis.metrics[0], now_s)


def template_of(server: FakeMetricServer, *, namespace: str = "test", **provider: Any) -> Object:
    """Return the MetricTemplate of a server, with its Secret where it has one."""
    secret = {"secretRef": {"name": SECRET}} if server.secret else {}
    address = {"address": server.address} if server.address else {}
    spec = {"type": server.type, **address, **secret, **server.provider, **provider}
    metadata = {"name": "probe", "namespace": namespace, "resourceVersion": "1"}
    return {"kind": "MetricTemplate", "metadata": metadata, "spec": {"provider": spec, "query": server.query}}


@asynccontextmanager
async def playing(
    server: FakeMetricServer,
    template: Object | None = None,
    *,
    secret: Mapping[str, str] | None = None,
    timeout_s: float = PATIENCE_S,
    rules: AddressRules | None = None,
    identities: Identities | None = None,
) -> AsyncIterator[Played]:
    """Serve the server, by TLS where the template's address says so, and lead every name to it."""
    template = template or template_of(server)
    provider, namespace = template["spec"]["provider"], template["metadata"]["namespace"]
    address = provider.get("address") or PROVIDER_FIELDS[server.type].default_address or server.own_address
    url = urlsplit(address)
    authority, context = _authority(), None
    if url.scheme in {"https", "wss"}:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        _certificate(url.hostname or "", *server.other_hosts).configure_cert(context)
    async with AsyncExitStack() as stack:
        server.released = asyncio.Event()
        stack.callback(server.released.set)
        served = await stack.enter_async_context(serving(server.handle, ssl_context=context))
        session = await stack.enter_async_context(_session(urlsplit(served).port or 0, authority, rules))
        api = Api(_client(served, session))
        name = provider.get("secretRef", {}).get("name")
        if name is not None:
            api.secrets[namespace, name] = server.secret if secret is None else secret
        client: Any = api
        caches = Caches(client, "")
        caches.of(METRIC_TEMPLATES).remember(template)
        told: list[tuple[str, ProviderError | None]] = []
        checks = MetricChecks(
            Sources(
                session,
                client,
                caches,
                metrics_server="http://127.0.0.1:1",
                timeout_s=timeout_s,
                observe=lambda kind, seconds, error: told.append((kind, error)),
                identities=identities,
            )
        )
        yield Played(api, checks, template, told)
        server.released.set()


def _client(host: str, session: aiohttp.ClientSession) -> Client:
    """Return a client of an API server, with a token as the agent has one."""
    configuration = Configuration()
    configuration.host = host
    configuration.api_key = {"BearerToken": OWN_TOKEN}
    configuration.api_key_prefix = {"BearerToken": "Bearer"}
    return Client(Connection(configuration, session, "serin/test"))


@asynccontextmanager
async def _session(
    port: int, authority: ssl.SSLContext, rules: AddressRules | None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session as the agent does, with another name server and a CA of the test's own."""
    async with open_session(rules) as session:
        connector: Any = session.connector
        connector._resolver = Leading(port)
        connector._ssl = authority
        yield session


@cache
def _ca() -> trustme.CA:
    return trustme.CA()


@cache
def _authority() -> ssl.SSLContext:
    context = ssl.create_default_context()
    _ca().configure_trust(context)
    return context


@cache
def _certificate(*hosts: str) -> trustme.LeafCert:
    return _ca().issue_cert(*hosts)
