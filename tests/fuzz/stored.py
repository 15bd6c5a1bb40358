"""What the agent makes of a stored Canary, from bytes of the API server's to its status and its route.

What must hold: it is read, or said to be invalid; what comes next is decided; and what is written of both can be.
"""

import time
from dataclasses import replace
from typing import Any, Final

import orjson

from agent.stored import StoredCanary, read_intent, read_stored
from canary.api.bounds import MOST_REVIEW_S
from canary.api.canary import GLOO
from canary.decide import decide, find_trouble
from canary.run.observation import Observation
from canary.run.state import State
from canary.run.status import UnknownPhase, write_status
from canary.run.traffic import Traffic
from kube.json_text import loads
from render.objects import UnusableObjectError
from render.route_table import read_exposure, route_patch, route_table
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster


def _healthy() -> Observation:
    """Return what is seen of a canary that was bootstrapped and has a new revision."""
    cluster = SimulatedCluster(canary())
    cluster.run(30)
    cluster.set_image("rev-2")
    return cluster.observe()


_SEEN: Final = _healthy()
# In the run that the seeds have, and long after it.
_NOW_S: Final = (1_700_000_011.0, 1_790_000_000.0)


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
    _store(obj, stored.state)
    if stored.canary is not None:
        blockers = () if stored.blocker is None else (stored.blocker,)
        for now_s in _NOW_S:
            seen = replace(_SEEN, now_s=now_s, blockers=blockers)
            decision = decide(stored.canary, stored.state, seen)
            find_trouble(stored.canary, stored.state, seen, decision)
            if decision.intent is not None:
                _store(obj, decision.intent)
    _render(stored)


def _store(obj: dict[str, Any], state: State) -> None:
    """Write a status as it is sent to the API server; what is read of that must be as good as what was written."""
    status = write_status(state, obj["status"], target_kind="Deployment", generation=1)
    read = read_intent(obj | {"status": orjson.loads(orjson.dumps(status))})
    assert state.phase is None or read.phase == state.phase


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
