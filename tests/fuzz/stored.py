"""What the agent makes of a stored Canary, from bytes of the API server's to its status and its route.

What must hold: it is read, or said to be invalid, and what is written of it can be written.
"""

import time
from typing import Any

import orjson

from agent.stored import StoredCanary, read_stored
from canary.api.bounds import MOST_REVIEW_S
from canary.api.canary import GLOO
from canary.run.status import UnknownPhase, write_status
from canary.run.traffic import Traffic
from kube.json_text import loads
from render.objects import UnusableObjectError
from render.route_table import read_exposure, route_patch, route_table


def check(body: bytes) -> float:
    """Read the object of a review as if it were stored, and return the seconds of our CPU that it took."""
    try:
        review = loads(body)
    except ValueError:
        return 0.0
    started_s = time.process_time()
    request = review.get("request") if isinstance(review, dict) else None
    obj = request.get("object") if isinstance(request, dict) else None
    if isinstance(obj, dict):
        # The API server sees to it that an object has a name and a namespace.
        status = obj.get("status") if isinstance(obj.get("status"), dict) else {}
        _tick(obj | {"metadata": {"name": "podinfo", "namespace": "test", "uid": "u"}, "status": status})
    spent_s = time.process_time() - started_s
    assert spent_s < MOST_REVIEW_S, f"{spent_s:.1f} s"
    return spent_s


def _tick(obj: dict[str, Any]) -> None:
    try:
        stored = read_stored(obj, None)
    except UnknownPhase:
        return
    status = write_status(stored.state, obj["status"], target_kind="Deployment", generation=1)
    orjson.dumps(obj | {"status": status})
    _render(stored)


def _render(stored: StoredCanary) -> None:
    canary = stored.canary
    if canary is None or stored.blocker is not None or canary.provider != GLOO:
        return
    try:
        table = route_table(canary, Traffic(20))
        orjson.dumps(table)
        assert read_exposure(canary, table) is not None
        orjson.dumps(route_patch(canary, table, Traffic(40), 1))
    except UnusableObjectError:
        pass
