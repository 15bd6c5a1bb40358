"""The metric servers that are asked, by `spec.provider.type`. What each needs is in `PROVIDER_FIELDS` of canary/api."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderRefused
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection, MetricServer
from agent.providers.metrics.servers.cloudwatch import CloudWatch, at_endpoint
from agent.providers.metrics.servers.datadog import Datadog
from agent.providers.metrics.servers.dynatrace import Dynatrace
from agent.providers.metrics.servers.externalmetrics import ExternalMetrics, at_api_server
from agent.providers.metrics.servers.graphite import Graphite
from agent.providers.metrics.servers.influxdb import InfluxDB
from agent.providers.metrics.servers.keptn import Keptn, in_the_cluster
from agent.providers.metrics.servers.newrelic import NewRelic
from agent.providers.metrics.servers.prometheus import Prometheus
from agent.providers.metrics.servers.splunk import Splunk
from agent.providers.metrics.servers.stackdriver import Stackdriver
from canary.api.metric_template import PROMETHEUS, PROVIDER_FIELDS, MetricProviderType, Use, named_keys
from kube.client import Client


@dataclass(frozen=True, slots=True)
class Means:
    """What servers are asked with. `session` asks no address that users may not name; `client` is the API server's.

    `identities` are the agent's own at clouds, and what it borrowed there. `by_get` is what Prometheus remembers of
    servers.
    """

    session: aiohttp.ClientSession
    client: Client
    identities: Identities
    by_get: set[str] = field(default_factory=set)


Make = Callable[[Means, Connection], MetricServer]
"""Makes the server of a connection. What is wrong with its credentials is a ProviderRefused by then, if it can be."""

PROVIDERS: Final[Mapping[MetricProviderType, Make]] = {
    PROMETHEUS: lambda means, connection: Prometheus(Exchange(means.session, connection), means.by_get),
    "datadog": lambda means, connection: Datadog(Exchange(means.session, connection)),
    "newrelic": lambda means, connection: NewRelic(Exchange(means.session, connection)),
    "graphite": lambda means, connection: Graphite(Exchange(means.session, connection)),
    "influxdb": lambda means, connection: InfluxDB(Exchange(means.session, connection)),
    "cloudwatch": lambda means, connection: CloudWatch(
        Exchange(means.session, at_endpoint(connection, means.identities)), means.identities
    ),
    "dynatrace": lambda means, connection: Dynatrace(Exchange(means.session, connection)),
    "externalmetrics": lambda means, connection: ExternalMetrics(
        Exchange(means.session, at_api_server(connection)), means.client
    ),
    "keptn": lambda means, connection: Keptn(Exchange(means.session, in_the_cluster(connection)), means.client),
    "splunk": lambda means, connection: Splunk(Exchange(means.session, connection)),
    "stackdriver": lambda means, connection: Stackdriver(Exchange(means.session, connection), means.identities),
}


def check_secret(provider_type: MetricProviderType, secret: str, credentials: Mapping[str, str]) -> None:
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
