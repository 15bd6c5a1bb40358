"""Simulated clusters as the core's tests begin with them, and hooks for their canaries."""

from typing import Any

from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster


def phase(cluster: SimulatedCluster) -> Phase | None:
    """Read the phase anew: mypy would take it for what an earlier assert narrowed it to."""
    return cluster.state.phase


def bootstrapped(analysis: dict[str, Any] | None = None, **spec: Any) -> SimulatedCluster:
    """Return an initialized cluster of the guide's canary, with `analysis` and `spec` changed."""
    cluster = SimulatedCluster(canary(analysis, **spec))
    cluster.run(30)
    assert cluster.state.phase is Phase.INITIALIZED
    cluster.told.clear()
    cluster.questions.clear()
    cluster.promoted.clear()
    return cluster


def hook(kind: str, name: str = "", **fields: Any) -> dict[str, Any]:
    """Return a hook of a type, of the type's own name unless it is given one."""
    return {"name": name or kind, "type": kind, "url": "http://hooks.test/"} | fields


def resume_text(cluster: SimulatedCluster) -> str:
    """Return a request to resume that is not the one that was answered last: its text is carried out once."""
    text, answered = f"resume@{cluster.revision}", cluster.state.control.request
    return text[:-1] if answered is not None and answered.text == text else text
