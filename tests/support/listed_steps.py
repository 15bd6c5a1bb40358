"""Runs of canaries with `analysis.steps`, and what tests see of them."""

from typing import Any

from canary.run.judge import Verdict
from canary.run.phase import Phase
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_runs import bootstrapped, resume_text

PASS, FAIL, NO_DATA = Verdict.PASS, Verdict.FAIL, Verdict.NO_DATA
REVISION = "aaaaaaaaaaaaaaaa"
INSIDERS = {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}
PAUSED = (
    "Halt podinfo.test advancement paused at canary weight 20 by step 2 of 3, its checks go on. Resume it with the "
    "annotation serin.dev/request: resume@aaaaaaaaaaaaaaaa"
)


def listed(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what an analysis has of steps in place of the guide's, with checks each 10 s and no hooks."""
    return {"stepWeight": None, "maxWeight": None, "webhooks": [], "threshold": 2, "steps": list(steps)} | more


def step(weight: int, duration: str = "") -> dict[str, Any]:
    return {"weight": weight} | ({"duration": duration} if duration else {})


def pause(weight: int) -> dict[str, Any]:
    return {"weight": weight, "pause": {}}


PAUSE_AT_20 = listed(step(10), pause(20), step(50))


def begun(analysis: dict[str, Any], **spec: Any) -> SimulatedCluster:
    """Return a run of REVISION that has begun its analysis just now."""
    cluster = bootstrapped(analysis, **spec)
    cluster.set_image(REVISION)
    cluster.run(60, until=lambda: cluster.state.analysis.started_at_s is not None)
    cluster.settle()
    return cluster


def at_pause(analysis: dict[str, Any] = PAUSE_AT_20, **spec: Any) -> SimulatedCluster:
    """Return a run of REVISION that is paused by a step, and whose checks passed there."""
    cluster = begun(analysis, **spec)
    cluster.run(300, until=lambda: bool(cluster.state.hooks.waiting_for))
    cluster.run(25)
    return cluster


def seconds_at(cluster: SimulatedCluster) -> dict[int, float]:
    """Play a run to its end; return for how long the canary had each weight in its analysis."""
    spent: dict[int, float] = {}
    while cluster.state.phase not in {Phase.PROMOTING, Phase.SUCCEEDED, Phase.FAILED}:
        weight, since_s = cluster.state.traffic.canary_percent, cluster.now_s
        decision = cluster.tick()
        if decision.wake_after_s:
            cluster.now_s += decision.wake_after_s
        spent[weight] = spent.get(weight, 0.0) + cluster.now_s - since_s
    return {weight: round(at_s, 3) for weight, at_s in spent.items()}


def ours(cluster: SimulatedCluster) -> dict[str, Any]:
    """Return what the status says of the steps."""
    keys = ("step", "stepServedAt", "stepResumed", "bakeStartedAt", "waitingFor")
    return {key: cluster.status["serin"][key] for key in keys if key in cluster.status["serin"]}


def resume(cluster: SimulatedCluster) -> str:
    cluster.request, cluster.requested_by = resume_text(cluster), "alice"
    cluster.settle()
    result: str = cluster.status["serin"]["request"]["result"]
    return result
