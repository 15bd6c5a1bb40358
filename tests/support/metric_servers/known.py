"""The metric servers that tests have: one for each type that is asked, in the order of the registry."""

from tests.support.metric_servers.cloudwatch import FakeCloudWatch
from tests.support.metric_servers.datadog import FakeDatadog
from tests.support.metric_servers.dynatrace import FakeDynatrace
from tests.support.metric_servers.externalmetrics import FakeExternalMetrics
from tests.support.metric_servers.graphite import FakeGraphite
from tests.support.metric_servers.influxdb import FakeInfluxDB
from tests.support.metric_servers.keptn import FakeKeptn
from tests.support.metric_servers.newrelic import FakeNewRelic
from tests.support.metric_servers.prometheus import FakePrometheus
from tests.support.metric_servers.server import FakeMetricServer
from tests.support.metric_servers.splunk import FakeSplunk
from tests.support.metric_servers.stackdriver import FakeStackdriver

SERVERS: tuple[type[FakeMetricServer], ...] = (
    FakePrometheus,
    FakeDatadog,
    FakeNewRelic,
    FakeGraphite,
    FakeInfluxDB,
    FakeCloudWatch,
    FakeDynatrace,
    FakeExternalMetrics,
    FakeKeptn,
    FakeSplunk,
    FakeStackdriver,
)
