"""No value of an object keeps the webhook busy for as long as the API server waits."""

import time
from copy import deepcopy
from typing import Any

import orjson
import pytest

from tests.support.canaries import canary_object
from tests.support.long_values import LONG
from tests.support.reviews import review_bytes
from webhook.canary_index import CanaryIndex
from webhook.context import AdmissionContext
from webhook.handling import handle_review
from webhook.main import ENTRIES

Object = dict[str, Any]

WAITED_S = 1.0
"""Of our CPU, whatever else the machine has to do: what a review may take."""

TEMPLATE = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "MetricTemplate",
    "metadata": {"name": "a", "namespace": "test"},
    "spec": {"provider": {"type": "prometheus", "address": "http://p"}, "query": "up"},
}
PROVIDER = TEMPLATE | {"kind": "AlertProvider", "spec": {"type": "slack", "address": "http://a"}}
CANARY = canary_object(
    {
        "stepWeight": None,
        "maxWeight": None,
        "stepWeights": [5],
        "match": [{"headers": {"x": {"regex": "a"}}, "uri": {"prefix": "/"}}],
        "metrics": [{"name": "own", "query": "up", "threshold": 1, "interval": "1m"}],
        "webhooks": [{"name": "load", "url": "http://a/", "metadata": {"a": "b"}}],
    },
    service={"port": 80, "headers": {"request": {"set": {"x": "y"}}}, "targetPort": "http"},
)


def places(part: Any) -> list[tuple[Any, Any]]:
    """Every place of a value, as its holder and its key or position."""
    entries = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [place for key, value in entries for place in ((part, key), *places(value))]


@pytest.mark.parametrize(
    ("path", "obj"),
    [
        ("/validate/canaries", CANARY),
        ("/validate/metrictemplates", TEMPLATE),
        ("/validate/alertproviders", PROVIDER),
    ],
)
def test_a_long_value_in_any_field_is_judged_in_time(path: str, obj: Object) -> None:
    context = AdmissionContext(CanaryIndex())
    slow: list[str] = []
    for place in range(len(places(obj["spec"]))):
        for value in LONG:
            changed = deepcopy(obj)
            holder, key = places(changed["spec"])[place]
            holder[key] = value
            body = review_bytes(changed)
            started_s = time.process_time()
            reply = handle_review(body, ENTRIES[path], context)
            if time.process_time() - started_s > WAITED_S:
                slow.append(f"{key}: {str(value)[:40]}")
            assert reply.outcome != "failed", f"{key}: {str(value)[:40]}"
            assert orjson.loads(reply.body)["response"]["uid"]
    assert slow == []


WORDS = ",".join(f"word-{number}" for number in range(8_000))
CASELESS = r"(?i)" + r"\pL" * 680
MANY_BRACES = '{{ printf "%s" variables.x }}' * 1_900
LARGE: list[tuple[str, Object]] = [
    ("retryOn", {"service": {"port": 80, "retries": {"attempts": 1, "retryOn": WORDS}}}),
    (
        "headers",
        {"service": {"port": 80, "headers": {"request": {"set": {f"x-{n}": "%REQ(a" * 400 for n in range(100)}}}}},
    ),
    (
        "regexes",
        {"analysis": {"iterations": 1, "match": [{"headers": {f"x-{n}": {"regex": CASELESS}}} for n in range(8)]}},
    ),
    (
        "conditions",
        {
            "analysis": {
                "iterations": 1,
                "match": [{"headers": {f"x-{n}": {"prefix": "a" * 30} for n in range(60)}}] * 90,
            }
        },
    ),
    (
        "matchers",
        {
            "analysis": {
                "iterations": 1,
                "match": [{"withoutHeaders": {f"x-{n}": {"prefix": "a"} for n in range(9)}}] * 1,
            }
        },
    ),
    ("unknown", {f"fild{number}": number for number in range(9_000)}),
    (
        "queries",
        {
            "analysis": {
                "stepWeight": 5,
                "metrics": [
                    {"name": f"m{n}", "query": "{{ variables.x }}" * 150, "templateVariables": {"x": "y" * 50}}
                    for n in range(100)
                ],
            }
        },
    ),
    (
        "templates",
        {
            "analysis": {
                "stepWeight": 5,
                "metrics": [
                    {"name": f"m{n}", "templateRef": {"name": "a"}, "templateVariables": {"x": "y" * 1_000}}
                    for n in range(100)
                ],
            }
        },
    ),
    ("hooks", {"analysis": {"stepWeight": 5, "webhooks": [{"name": "a" * 250, "url": "x" * 2_000}] * 100}}),
]


class Templates:
    """A namespace whose one template takes as long as any to be read."""

    def get(self, namespace: str, name: str) -> Object | None:
        return TEMPLATE | {"spec": {"provider": {"type": "prometheus", "address": "http://p"}, "query": MANY_BRACES}}

    def by_namespace(self, namespace: str) -> list[Object]:
        return []


@pytest.mark.parametrize("changes", [changes for _, changes in LARGE], ids=[name for name, _ in LARGE])
def test_an_update_of_the_largest_objects_is_judged_in_time(changes: Object) -> None:
    old, new = canary_object(), canary_object()
    old["spec"] |= changes
    new["spec"] |= {**changes, "progressDeadlineSeconds": 61}
    context = AdmissionContext(CanaryIndex(), {"MetricTemplate": Templates()})
    body = review_bytes(new, old)
    started_s = time.process_time()
    reply = handle_review(body, ENTRIES["/validate/canaries"], context)
    spent_s = time.process_time() - started_s
    assert reply.outcome != "failed"
    assert spent_s < WAITED_S
