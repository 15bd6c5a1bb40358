"""Faults of MetricTemplates and AlertProviders, and of wording: each input, literally, has exactly this answer."""

from collections.abc import Mapping
from typing import Any

import pytest

from canary.rules.shape import parse_alert_provider, parse_metric_template
from tests.support.admission_faults import NOWHERE, OBJECT_NAME
from tests.support.reviews import request
from webhook.context import Handler
from webhook.validating import validate_alert_provider, validate_metric_template

HTTP_URL = "a URL that starts with http:// or https:// and names a host"
CLEAN_URL = f"{HTTP_URL}, without spaces and control characters"
BASE = "the server's address up to its API, such as http://prometheus.monitoring:9090"
TOKEN = "a name of letters, digits and !#$%&'*+-.^_`|~ (a token of RFC 9110)"
UNKNOWN = "found a field that is not known and not read; allowed: known fields"
EVERY_SERIES = (
    "PromQL that gives one series, for example by sum() around it; this asks for every series of the name, and "
    "several are an error in the check"
)
BRACES = (
    "between the braces, name, namespace, target, service, ingress, route, interval, variables.NAME, index variables "
    '"NAME", printf, eq, ne, and, or, not, if, else, end'
)


def template(query: str = "sum(up)", **provider: Any) -> dict[str, Any]:
    server = {"type": "prometheus", "address": "http://prometheus:9090"} | provider
    return _object("MetricTemplate", {"query": query, "provider": server})


def alert_provider(**spec: Any) -> dict[str, Any]:
    return _object("AlertProvider", {"type": "slack", "address": "https://chat.example.com/x"} | spec)


def _object(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": "latency", "namespace": "test"}
    return {"apiVersion": "flagger.app/v1beta1", "kind": kind, "metadata": metadata, "spec": dict(spec)}


def told(handler: Handler, obj: dict[str, Any]) -> list[str]:
    answer = handler(request(obj), NOWHERE)
    causes = answer.refusal.causes if answer.refusal is not None else ()
    return [
        *(f"error: {cause.field}: {cause.message}" for cause in causes),
        *(f"warning: {warning}" for warning in answer.warnings),
    ]


USER = "no user and password in it, which everybody sees who may read MetricTemplates; a secretRef has them"
ADDRESSES: dict[str, list[str]] = {
    "http://user:pass@prometheus:9090": [
        f"warning: spec.provider.address: found 'http://…@prometheus:9090'; allowed: {USER}"
    ],
    "http://prometheus?a=b": [
        (
            f"error: spec.provider.address: found 'http://prometheus/…'; allowed: {BASE}, without ? and #; "
            "/api/v1/query "
            "is put behind it"
        )
    ],
    "http://prometheus/#": [
        (
            f"error: spec.provider.address: found 'http://prometheus/…'; allowed: {BASE}, without ? and #; "
            "/api/v1/query "
            "is put behind it"
        )
    ],
    "http://prometheus/api/v1/query": [
        f"error: spec.provider.address: found 'http://prometheus/…'; allowed: {BASE}; /api/v1/query is put behind it"
    ],
    "http://prometheus/thanos/api/v1/": [
        f"error: spec.provider.address: found 'http://prometheus/…'; allowed: {BASE}; /api/v1/query is put behind it"
    ],
    "http://prome theus:9090": [f"error: spec.provider.address: found 'http://prome theus:9090'; allowed: {HTTP_URL}"],
    "http://prometheus:9090/a b": [
        f"error: spec.provider.address: found 'http://prometheus:9090/…'; allowed: {CLEAN_URL}"
    ],
    "http://-/": [f"error: spec.provider.address: found 'http://-/'; allowed: {CLEAN_URL}"],
    "https://prometheus:9090/select/0/prometheus/": [],
    "http://[fd00::1]:9090": [],
    "http://10.0.0.1/api/v1x": [],
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_address_of_a_metrics_server_is_a_base_to_which_the_query_is_added(address: str) -> None:
    assert told(validate_metric_template, template(address=address)) == ADDRESSES[address]


TEMPLATES: list[tuple[dict[str, Any], list[str]]] = [
    (
        template(headers={"X-A": ["ok", "x\r\ny: z"]}),
        [
            (
                "error: spec.provider.headers[X-A][1]: found '…'; allowed: a text without line breaks and other "
                "control characters"
            )
        ],
    ),
    (
        template(headers={"X A": ["ok"]}),
        [f"error: spec.provider.headers[X A]: found 'X A'; allowed: for its name: {TOKEN}"],
    ),
    (
        template(headers={"HOST": ["a"]}),
        [
            (
                "error: spec.provider.headers.HOST: found 'HOST'; allowed: a header of the server's own; this one says "
                "where a request goes or ends, which is ours to say"
            )
        ],
    ),
    (template(headers={"X-A": ["1", "2"], "Authorization": ["Bearer a"]}), []),
    (
        template(insecureSkipVerify=True),
        [
            (
                "warning: spec.provider.insecureSkipVerify: found true; allowed: nothing beside http://, which has no "
                "certificate to be verified"
            )
        ],
    ),
    (template(insecureSkipVerify=True, address="https://prometheus"), []),
    (
        template(secretRef={"name": ""}),
        ["error: spec.provider.secretRef.name: found ''; allowed: the name of a Secret, or no reference at all"],
    ),
    (
        template(secretRef={"name": "a b"}),
        [f"error: spec.provider.secretRef.name: found 'a b'; allowed: {OBJECT_NAME}"],
    ),
    (
        template(secretRef={"name": "a", "namespace": "b"}),
        [
            (
                "warning: spec.provider.secretRef.namespace: found a field that is not known and not read; allowed: "
                "nothing; "
                "it is ignored, for the Secret is one of the same namespace"
            )
        ],
    ),
    (
        template(secretref={"name": "a"}),
        [f"warning: spec.provider.secretref: {UNKNOWN}; did you mean spec.provider.secretRef?"],
    ),
    (template("up"), [f"warning: spec.query: found 'up'; allowed: {EVERY_SERIES}"]),
    (
        template('x{a="{{ namespace"}'),
        [f"error: spec.query: found '{{{{ namespace\"}}' (line 1, column 6); allowed: {BRACES}"],
    ),
]


@pytest.mark.parametrize(
    ("obj", "expected"), TEMPLATES, ids=lambda value: "".join(value)[:70] if isinstance(value, list) else ""
)
def test_each_fault_of_a_metric_template_has_its_answer(obj: dict[str, Any], expected: list[str]) -> None:
    assert told(validate_metric_template, obj) == expected


PROVIDERS: list[tuple[dict[str, Any], list[str]]] = [
    (
        alert_provider(address="http://chat.example.com/key"),
        [
            (
                "warning: spec.address: found 'http://chat.example.com/…'; allowed: https://, for who sees the address "
                "on its "
                "way can write to the chat"
            )
        ],
    ),
    (
        alert_provider(address="https://chat.example.com/a key"),
        [f"error: spec.address: found 'https://chat.example.com/…'; allowed: {CLEAN_URL}"],
    ),
    (
        alert_provider(proxy="http://!"),
        [f"error: spec.proxy: found 'http://!'; allowed: {CLEAN_URL}"],
    ),
    (
        _object("AlertProvider", {"type": "slack", "secretRef": {"name": ""}}),
        ["error: spec.secretRef.name: found ''; allowed: the name of a Secret, or no reference at all"],
    ),
    (alert_provider(token="xoxb-1"), [f"warning: spec.token: {UNKNOWN}"]),
    (_object("AlertProvider", {"type": "slack", "secretRef": {"name": "chat.key"}}), []),
]


@pytest.mark.parametrize(
    ("obj", "expected"), PROVIDERS, ids=lambda value: "".join(value)[:70] if isinstance(value, list) else ""
)
def test_each_fault_of_an_alert_provider_has_its_answer(obj: dict[str, Any], expected: list[str]) -> None:
    assert told(validate_alert_provider, obj) == expected


def test_what_was_stored_with_these_faults_is_asked_and_told_as_before() -> None:
    for address in ("http://prometheus?a=b", "http://prometheus/api/v1/query", "http://prometheus:9090/a b"):
        assert parse_metric_template(template(address=address)).spec.provider.address == address
    for headers in ({"X A": ["ok"]}, {"host": ["a"]}, {"X-A": ["a\nb"]}):
        assert parse_metric_template(template(headers=headers)).spec.provider.headers
    assert parse_alert_provider(alert_provider(address="https://chat/a b", secretRef={"name": ""})).name == "latency"
