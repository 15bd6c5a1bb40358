"""What the agent makes of a metrics server's answer: values, none, or one of the two errors that a check knows."""

import contextlib
import time

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.port import MetricServer
from agent.providers.metrics.servers.datadog import Datadog
from agent.providers.metrics.servers.graphite import Graphite
from agent.providers.metrics.servers.influxdb import InfluxDB
from agent.providers.metrics.servers.newrelic import NewRelic
from agent.providers.metrics.servers.prometheus import Prometheus
from canary.api.bounds import MOST_REVIEW_S
from tests.support.metric_servers.canned import ASKED, Canned, result_of

_STATUSES = (200, 400, 503)


def check(body: bytes) -> float:
    """Read an answer with each code and as each type, and return the seconds of our CPU that the slowest took."""
    slowest_s = 0.0
    for status in _STATUSES:
        started_s = time.process_time()
        for server in _servers(status, body):
            with contextlib.suppress(ProviderRefused, ProviderUnavailable):
                value = result_of(server.value(ASKED))
                assert value is None or isinstance(value, float)
        with contextlib.suppress(ProviderRefused, ProviderUnavailable):
            for element in result_of(Prometheus(Canned(body, status)).query("up")):
                assert isinstance(element.value, float)
        slowest_s = max(slowest_s, time.process_time() - started_s)
    assert slowest_s < MOST_REVIEW_S, f"{slowest_s:.1f} s"
    return slowest_s


def _servers(status: int, body: bytes) -> tuple[MetricServer, ...]:
    canned = Canned(body, status, credentials={"newrelic_account_id": "1"})
    return Prometheus(canned), Datadog(canned), NewRelic(canned), Graphite(canned), InfluxDB(canned)
