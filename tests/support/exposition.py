"""The text that Prometheus scrapes, for tests."""

from agent.metrics import AgentMetrics


def exposed(metrics: AgentMetrics) -> dict[str, float]:
    """Return every series of `/metrics` as it stands there, name and labels, with its value."""
    body, _ = metrics.render([])
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}
