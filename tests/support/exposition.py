"""The text that Prometheus scrapes, for tests."""

from typing import Any

from agent.series.agent_metrics import AgentMetrics
from canary.run.state import State
from canary.run.status import write_status
from tests.support.canaries import canary_object


def exposed(metrics: AgentMetrics) -> dict[str, float]:
    """Return every series of `/metrics` as it stands there, name and labels, with its value."""
    body, _ = metrics.render([])
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    found = {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}
    assert len(found) == len(lines), "a series is there twice"
    return found


def stored(
    state: State | None = None, name: str = "podinfo", analysis: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """Return the guide's Canary as it is stored with this state; `name` is its target's, too."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    obj = canary_object(analysis, **{"targetRef": reference} | spec)
    obj["metadata"]["name"] = name
    if state is not None:
        obj["status"] = write_status(state, None, target_kind="Deployment", generation=1)
    return obj
