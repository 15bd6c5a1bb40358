"""What each type of metric provider needs, as it is told at admission; of the Secret's keys the agent tells."""

from typing import Any

import pytest

from tests.support.admission_faults import NOWHERE
from tests.support.reviews import request
from webhook.validating import validate_metric_template

HTTP_URL = "a URL that starts with http:// or https:// and names a host"
BASE = "the server's address up to its API, such as http://prometheus.monitoring:9090"
SECRET = {"secretRef": {"name": "login"}}
TARGET = "the parameters of a request to Graphite's render API, such as target=sumSeries(a.*.errors)&from=-1min"
REGION = "the region that is asked, such as eu-west-1"
OWN_IDENTITY = (
    "warning: spec.provider.secretRef: found nothing; allowed: the name of a Secret with aws_access_key_id and "
    "aws_secret_access_key; without one it is asked with the agent's own AWS identity, which "
    "--agent-identity-namespaces has to allow namespace test, or no run of its canaries begins"
)
ADDRESS = "spec.provider.address: found"

CASES: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"type": "datadog", **SECRET}, "avg:x{*}", []),
    ({"type": "datadog", **SECRET, "address": "https://api.datadoghq.eu"}, "avg:x{*}", []),
    (
        {"type": "datadog"},
        "avg:x{*}",
        [
            (
                "error: spec.provider.secretRef: found nothing; allowed: the name of a Secret with datadog_api_key and "
                "datadog_application_key"
            )
        ],
    ),
    (
        {"type": "datadog", **SECRET, "address": "api.datadoghq.eu"},
        "avg:x{*}",
        [f"error: {ADDRESS} 'api.datadoghq.eu'; allowed: {HTTP_URL}, or nothing: then it is https://api.datadoghq.com"],
    ),
    (
        {"type": "datadog", **SECRET, "address": "https://api.datadoghq.eu/api/v1/query"},
        "avg:x{*}",
        [f"error: {ADDRESS} 'https://api.datadoghq.eu/…'; allowed: {BASE}; /api/v1/query is put behind it"],
    ),
    (
        {"type": "newrelic"},
        "SELECT count(*) FROM Transaction",
        [
            (
                "error: spec.provider.secretRef: found nothing; allowed: the name of a Secret with "
                "newrelic_account_id and newrelic_query_key"
            )
        ],
    ),
    (
        {"type": "newrelic", **SECRET, "address": "https://insights-api.newrelic.com/v1/accounts/"},
        "SELECT count(*) FROM Transaction",
        [f"error: {ADDRESS} 'https://insights-api.newrelic.com/…'; allowed: {BASE}; /v1/accounts is put behind it"],
    ),
    ({"type": "newrelic", **SECRET}, "SELECT count(*) FROM Transaction", []),
    ({"type": "graphite"}, "target=a.b", [f"error: {ADDRESS} nothing; allowed: {HTTP_URL}"]),
    (
        {"type": "graphite", "address": "http://graphite/render/"},
        "target=a.b",
        [f"error: {ADDRESS} 'http://graphite/…'; allowed: {BASE}; /render is put behind it"],
    ),
    (
        {"type": "graphite", "address": "http://graphite"},
        "sumSeries(a.b)",
        [f"warning: spec.query: found 'sumSeries(a.b)'; allowed: {TARGET}"],
    ),
    ({"type": "graphite", "address": "http://graphite"}, "from=-{{ interval }}& target=a.b", []),
    ({"type": "influxdb", "address": "influxdb:8086"}, "x", [f"error: {ADDRESS} 'influxdb:8086'; allowed: {HTTP_URL}"]),
    (
        {"type": "influxdb", "address": "http://influxdb:8086/api/v2"},
        "x",
        [f"error: {ADDRESS} 'http://influxdb:8086/…'; allowed: {BASE}; /api/v2/query is put behind it"],
    ),
    ({"type": "influxdb", "address": "http://influxdb:8086", **SECRET}, "x", []),
    ({"type": "cloudwatch", "region": "us-gov-west-1", **SECRET}, "[]", []),
    ({"type": "cloudwatch", "region": "eu-west-1"}, "[]", [OWN_IDENTITY]),
    (
        {"type": "cloudwatch", "region": "eu-west-1", **SECRET},
        '{"Id": "m1"}',
        [
            (
                """warning: spec.query: found '{"Id": "m1"}'; allowed: one that can be asked; the query is no list; """
                "allowed: a list of metric data queries, as JSON"
            )
        ],
    ),
    *(
        (
            {"type": "cloudwatch", "region": found, **SECRET},
            "[]",
            [f"error: spec.provider.region: found {told}; allowed: {REGION}"],
        )
        for found, told in (
            ("", "nothing"),
            ("Ireland", "'Ireland'"),
            ("eu-west-1.evil.example/", "'eu-west-1.evil.example/'"),
        )
    ),
    (
        {"type": "influxdb", "address": "http://influxdb:8086", "region": "eu-central-1"},
        "x",
        [
            (
                "warning: spec.provider.region: found 'eu-central-1'; allowed: nothing: with the type influxdb it "
                "has no meaning"
            )
        ],
    ),
]


@pytest.mark.parametrize(("provider", "query", "expected"), CASES, ids=lambda value: str(value)[:60])
def test_what_a_type_needs_is_asked_for(provider: dict[str, Any], query: str, expected: list[str]) -> None:
    obj = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "latency", "namespace": "test"},
        "spec": {"provider": provider, "query": query},
    }
    answer = validate_metric_template(request(obj), NOWHERE)
    causes = answer.refusal.causes if answer.refusal is not None else ()
    told = [
        *(f"error: {cause.field}: {cause.message}" for cause in causes),
        *(f"warning: {warning}" for warning in answer.warnings),
    ]
    assert told == expected
