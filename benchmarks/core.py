"""What the pure core costs: a tick of an idle canary is nothing but this and a look into caches."""

import json
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.rounds import rounds_us
from canary.decide import decide
from canary.rules.shape import parse_canary
from canary.run.observation import Observation, Primary, Route, RouteState, Target
from canary.run.phase import Phase
from canary.run.readiness import Readiness
from canary.run.revision import revision_of
from canary.run.state import Revisions, State, TargetIdentity
from canary.run.status import read_state, write_status
from canary.run.traffic import Traffic

_READY = Readiness(is_ready=True, has_available=True)
_ROUNDS, _CALLS = 15, 200

CANARY: dict[str, Any] = {
    "metadata": {"name": "podinfo", "namespace": "test", "uid": "1", "generation": 1},
    "spec": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "service": {"port": 9898},
        "analysis": {
            "interval": "10s",
            "threshold": 5,
            "maxWeight": 50,
            "stepWeight": 5,
            "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}],
        },
    },
}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "podinfo"}, "annotations": {"prometheus.io/scrape": "true"}},
    "spec": {
        "containers": [
            {"name": f"c{number}", "image": "stefanprodan/podinfo:3.1.0", "env": [{"name": "A", "value": "b"}] * 20}
            for number in range(3)
        ]
    },
}


def measure() -> dict[str, float]:
    """Return medians in microseconds a call, and the revision's ratio to one `json.dumps` of the same template."""
    canary = parse_canary(CANARY)
    identity = TargetIdentity("u", 1, "r")
    state = State(
        phase=Phase.INITIALIZED, revisions=Revisions(analysed="r", promoted="r", finished="r"), target=identity
    )
    idle = Observation(
        now_s=1.0,
        target=Target(identity, 0, _READY),
        primary=Primary("r", _READY),
        route=Route(Traffic(), 0, RouteState.SETTLED),
    )
    status = write_status(state, None, target_kind="Deployment", generation=1)
    dumps_us = _median_us(lambda: json.dumps(TEMPLATE))
    revision_us = _median_us(lambda: revision_of(TEMPLATE))
    return {
        "decide_idle_us": _median_us(lambda: decide(canary, state, idle)),
        "parse_canary_us": _median_us(lambda: parse_canary(CANARY)),
        "read_state_us": _median_us(lambda: read_state(status)),
        "revision_us": revision_us,
        "revision_to_json_dumps": round(revision_us / dumps_us, 2),
    }


def _median_us(call: Callable[[], object]) -> float:
    return round(median(rounds_us(call, rounds=_ROUNDS, calls=_CALLS)), 1)
