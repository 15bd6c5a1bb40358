"""The metric servers that are asked, by `spec.provider.type`. What each needs is in `PROVIDER_FIELDS` of canary/api."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from agent.providers.errors import ProviderRefused
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection, MetricServer
from agent.providers.metrics.servers.graphite import Graphite
from agent.providers.metrics.servers.prometheus import Prometheus
from canary.api.metric_template import PROMETHEUS, PROVIDER_FIELDS, Use, named_keys
from kube.client import Client


@dataclass(frozen=True, slots=True)
class Means:
    """What servers are asked with. `session` asks no address that users may not name; `client` is the API server's.

    `by_get` is what Prometheus remembers of servers.
    """

    session: aiohttp.ClientSession
    client: Client
    by_get: set[str] = field(default_factory=set)


Make = Callable[[Means, Connection], MetricServer]
"""Makes the server of a connection. What is wrong with its credentials is a ProviderRefused by then, if it can be."""

PROVIDERS: Final[Mapping[str, Make]] = {
    PROMETHEUS: lambda means, connection: Prometheus(Exchange(means.session, connection), means.by_get),
    "graphite": lambda means, connection: Graphite(Exchange(means.session, connection)),
}


def check_secret(provider_type: str, secret: str, credentials: Mapping[str, str]) -> None:
    """See that a Secret has what its type of provider needs. `secret` names it, as `Secret test/login`.

    Raises:
        ProviderRefused: it does not.
    """
    fields = PROVIDER_FIELDS[provider_type]
    if fields.secret_ref is Use.UNUSED or not fields.secret_keys:
        return
    # A key that is there tells which of the sets was meant.
    meant = max(fields.secret_keys, key=lambda keys: sum(key in credentials for key in keys))
    for key in meant:
        if not credentials.get(key):
            found = "an empty text" if key in credentials else "nothing"
            raise ProviderRefused(f"{secret} data.{key}: found {found}; allowed: {named_keys(fields)}")
