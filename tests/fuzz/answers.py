"""What the agent makes of a metrics server's answer: values, none, or one of the two errors that a check knows."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, cast

from agent.providers.cloud.identities import Identities
from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.port import MetricServer, Question
from agent.providers.metrics.servers.cloudwatch import CloudWatch
from agent.providers.metrics.servers.datadog import Datadog
from agent.providers.metrics.servers.dynatrace import Dynatrace
from agent.providers.metrics.servers.externalmetrics import ExternalMetrics
from agent.providers.metrics.servers.graphite import Graphite
from agent.providers.metrics.servers.influxdb import InfluxDB
from agent.providers.metrics.servers.newrelic import NewRelic
from agent.providers.metrics.servers.prometheus import Prometheus
from agent.providers.metrics.servers.splunk import Splunk
from agent.providers.metrics.servers.stackdriver import Stackdriver
from canary.api.bounds import MOST_REVIEW_S
from tests.support.metric_servers.canned import ASKED, Canned, result_of

_STATUSES: Final = (200, 400, 503)
_NOBODY: Final = Identities(cast("Any", None), environment={})
_KEYS: Final = {"aws_access_key_id": "A", "aws_secret_access_key": "s"}
_METRIC: Final = replace(ASKED, text="test/jobs")
_QUERIES: Final = replace(ASKED, text='[{"Id": "a", "Expression": "b"}]')
_STREAM_ENDS: Final = b'\n\nevent: control-message\ndata: {"event":"END_OF_CHANNEL"}\n\n'


class _WithToken(Stackdriver):
    """Has its token already: only the answer is fuzzed."""

    async def _token(self, asked: Question) -> str:
        return "t"


def check(body: bytes) -> float:
    """Read an answer with each code and as each type, and return the seconds of our CPU that the slowest took."""
    slowest_s = 0.0
    for status in _STATUSES:
        started_s = time.process_time()
        for server, asked in _servers(status, body):
            with contextlib.suppress(ProviderRefused, ProviderUnavailable):
                value = result_of(server.value(asked))
                assert value is None or isinstance(value, float)
        with contextlib.suppress(ProviderRefused, ProviderUnavailable):
            for element in result_of(Prometheus(Canned(body, status)).query("up")):
                assert isinstance(element.value, float)
        slowest_s = max(slowest_s, time.process_time() - started_s)
    assert slowest_s < MOST_REVIEW_S, f"{slowest_s:.1f} s"
    return slowest_s


def _servers(status: int, body: bytes) -> Iterator[tuple[MetricServer, Question]]:
    canned = Canned(body, status, credentials={"newrelic_account_id": "1", "dynatrace_token": "t", "sf_token_key": "t"})
    for kind in (Prometheus, Datadog, NewRelic, Graphite, InfluxDB, Dynatrace, Splunk):
        yield kind(canned), ASKED
    # What is JSON is also one event of a stream that comes to its end.
    stream = b"event: data\ndata: " + body + _STREAM_ENDS
    yield Splunk(Canned(stream, status, credentials={"sf_token_key": "t"})), ASKED
    yield ExternalMetrics(canned, cast("Any", None)), _METRIC
    yield CloudWatch(Canned(body, status, region="eu-west-1", credentials=_KEYS), _NOBODY), _QUERIES
    yield _WithToken(Canned(body, status, credentials={"project": "p", "serviceAccountKey": "{}"}), _NOBODY), ASKED
