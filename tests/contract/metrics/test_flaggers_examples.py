"""Templates as Flagger's documentation shows them, of each type: asked and judged, or told about beforehand."""

from typing import Any, NamedTuple

import pytest

from canary.run.judge import Verdict
from tests.support.admission_faults import NOWHERE
from tests.support.metric_servers.known import SERVERS
from tests.support.metric_servers.playing import SECRET, playing
from tests.support.reviews import request
from webhook.validating import validate_metric_template


class Example(NamedTuple):
    """A template of the page, in its form: namespace, further fields of its provider, query, and the check's interval.

    `told` is what whoever applies it is told, `said` what the check says beyond a pass.
    """

    type: str
    namespace: str
    provider: dict[str, Any]
    query: str
    interval: str = "1m"
    told: str = ""
    said: str = ""


BY_TYPE = {str(server.type): server for server in SERVERS}
LOGIN = {"secretRef": {"name": SECRET}}
EXAMPLES = [
    Example(
        "prometheus",
        "istio-system",
        {"address": "http://prometheus.istio-system:9090", **LOGIN},
        '100 - sum(\n  rate(\n    requests_total{\n      namespace="{{ namespace }}",\n      code!="404"\n'
        "    }[{{ interval }}]\n  )\n)\n/\n"
        'sum(rate(requests_total{namespace="{{ namespace }}"}[{{ interval }}])) * 100\n',
    ),
    Example(
        "datadog",
        "istio-system",
        {"address": "https://api.datadoghq.com", **LOGIN},
        "100 - (\n  sum:requests{\n    workload:{{ target }},\n    !response_code:404\n  }.as_count()\n  / \n"
        "  sum:requests{workload:{{ target }}}.as_count()\n) * 100\n",
    ),
    Example(
        "cloudwatch",
        "test",
        {"region": "ap-northeast-1"},
        '[\n  {"Id": "e1", "Expression": "m1 / m2", "Label": "ErrorRate"},\n  {"Id": "m1", "MetricStat": {"Metric": '
        '{"Namespace": "Shop", "MetricName": "Errors", "Dimensions": [{"Name": "app", "Value": "{{ name }}.'
        '{{ namespace }}"}]}, "Period": 60, "Stat": "Sum", "Unit": "Count"}, "ReturnData": false}\n]\n',
        told=(
            "warning: spec.provider.secretRef: found nothing; allowed: the name of a Secret with aws_access_key_id and "
            "aws_secret_access_key; without one it is asked with the agent's own AWS identity, which "
            "--agent-identity-namespaces has to allow namespace test, or no run of its canaries begins"
        ),
        said="templates of namespace test may not use the agent's own AWS identity (--agent-identity-namespaces)",
    ),
    Example(
        "newrelic",
        "ingress-nginx",
        LOGIN,
        "SELECT \n    filter(sum(requests), WHERE status >= '500') / \n    sum(requests) * 100\nFROM Metric \n"
        "WHERE ingress = '{{ ingress }}' AND  namespace = '{{ namespace }}'\n",
    ),
    Example(
        "graphite",
        "test",
        {"address": "http://graphite.monitoring", **LOGIN},
        "target=summarize(\n  asPercent(\n    sumSeries(\n      app.{{target}}.{CLIENT_ERROR,SUCCESS}.*.count\n    ),\n"
        "    sumSeries(app.{{target}}.*.*.count)\n  ),\n  {{interval}},\n  'avg'\n)\n",
        interval="1min",
        told="allowed: '{{ interval }}' as a function's argument: without quotes Graphite takes it for the name of a",
        said="HTTP 500",
    ),
    Example(
        "graphite",
        "test",
        {"address": "http://graphite.monitoring", **LOGIN},
        "target=summarize(app.{{target}}.errors, '{{interval}}', 'avg')&from=-{{interval}}",
        interval="1min",
    ),
    Example(
        "stackdriver",
        "test",
        LOGIN,
        "fetch k8s_container\n| metric 'istio.io/service/server/response_latencies'\n| filter\n"
        "    (metric.destination_service_name == '{{ service }}-canary')\n| align delta(1m)\n| every 1m\n"
        "| group_by [],\n    [p99: percentile(value.response_latencies, 99)]\n",
    ),
    Example(
        "influxdb",
        "test",
        LOGIN,
        'from(bucket: "default")\n|> range(start: -2h)\n|> filter(fn: (r) => r["workload"] == "{{ target }}")\n'
        '|> count()\n|> yield(name: "count")\n',
        told="error: spec.provider.address: found nothing; allowed: a URL that starts with http:// or https:// and",
        said="MetricTemplate test/probe: spec.provider.address: found nothing",
    ),
    Example(
        "dynatrace",
        "istio-system",
        {"address": "https://xxxxxxxx.live.dynatrace.com", **LOGIN},
        "builtin:service.response.time:filter(eq(dt.entity.service,SERVICE-ABCDEFG0123456789)):percentile(95)\n",
    ),
    Example(
        "keptn",
        "test",
        {},
        "keptnmetric/my-namespace/response-time/2m/reporter=destination",
        told="one that can be asked; the query asks for namespace 'my-namespace'; allowed: test, the template's own",
        said="Keptn: the query asks for namespace 'my-namespace'; allowed: test, the template's own",
    ),
    Example("keptn", "test", {}, "keptnmetric/{{ namespace }}/failed-orders/2m/reporter=destination"),
    Example(
        "splunk",
        "istio-system",
        {"address": "https://api.us1.signalfx.com", **LOGIN},
        "total = data('traces.count', filter=filter('sf_service', '{{target}}')).sum().publish(enable=False)\n"
        "((total/total) * 100).publish()\n",
    ),
    Example(
        "externalmetrics",
        "default",
        {"address": "https://external-metrics-server.default.svc.cluster.local:8443", **LOGIN},
        "test/failed-jobs?labelSelector=app%3D{{ target }}%2Ctier%21%3Dtest",
    ),
    Example(
        "externalmetrics",
        "test",
        {},
        "webapp-frontend/job-success-rate?labelSelector=env%3Dproduction",
        told="the query asks for namespace 'webapp-frontend'; allowed without an address: test, the template's own",
        said="the query asks for namespace 'webapp-frontend'; allowed without an address: test, the template's own",
    ),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{one.type}-{one.query[:25]}" for one in EXAMPLES])
async def test_an_example_of_flaggers_page_is_judged_or_told_about(example: Example) -> None:
    server = BY_TYPE[example.type]()
    template = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "probe", "namespace": example.namespace, "resourceVersion": "1"},
        "spec": {"provider": {"type": example.type, **example.provider}, "query": example.query},
    }
    answer = validate_metric_template(request(template), NOWHERE)
    causes = answer.refusal.causes if answer.refusal is not None else ()
    told = [f"error: {cause.field}: {cause.message}" for cause in causes] + [f"warning: {w}" for w in answer.warnings]
    assert len(told) == bool(example.told), told
    assert all(example.told in text for text in told)
    async with playing(server, template) as played:
        result = await played.check(interval=example.interval)
    assert example.said in result.text
    if not example.said:
        assert (result.verdict, result.text) == (Verdict.PASS, "probe 1.00")
