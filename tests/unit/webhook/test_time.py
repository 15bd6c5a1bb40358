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

WAITED_S = 2.0
"""Of our CPU, whatever else the machine has to do."""

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
