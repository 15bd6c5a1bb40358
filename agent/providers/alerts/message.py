"""What a chat shows of an alert, before any chat's own format.

Source of the fields and their order: Flagger 1.44, `pkg/controller/events.go`; but `Reason`, `Change` and
`Applied by` are ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from canary.api.canary import Canary
from canary.run.messages import Alert, Severity


@dataclass(frozen=True, slots=True)
class Field:
    """A line of its own under the text."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Message:
    """`canary` is `{name}.{namespace}`."""

    canary: str
    severity: Severity
    text: str
    fields: tuple[Field, ...] = ()


def message_of(canary: Canary, alert: Alert, cluster_name: str) -> Message:
    """Return the message of an alert; `cluster_name` is shown where there is one."""
    fields = [Field("Cluster", cluster_name)] if cluster_name else []
    if alert.reason:
        fields.append(Field("Reason", alert.reason))
    if alert.change is not None and alert.change.changed:
        fields.append(Field("Change", alert.change.changed))
    if alert.change is not None and alert.change.by:
        fields.append(Field("Applied by", alert.change.by))
    if alert.has_settings:
        fields += _settings(canary)
    return Message(f"{canary.name}.{canary.namespace}", alert.severity, alert.text, tuple(fields))


def _settings(canary: Canary) -> Iterator[Field]:
    target = canary.spec.target_ref
    yield Field("Target", f"{target.kind or 'Deployment'}/{target.name}.{canary.namespace}")
    yield Field("Failed checks threshold", str(canary.threshold))
    yield Field("Progress deadline", f"{canary.progress_deadline_s}s")
    routing = _traffic_routing(canary)
    if routing:
        yield Field("Traffic routing", routing)


def _traffic_routing(canary: Canary) -> str:
    match canary.strategy:
        case "ab-testing":
            return "A/B Testing"
        case "blue-green":
            return "Blue/Green"
        case "canary" | "canary-by-match":
            return _weights(canary)


def _weights(canary: Canary) -> str:
    analysis = canary.analysis
    if analysis is None:
        return ""
    if analysis.step_weight:
        return f"Weight step: {analysis.step_weight} max: {canary.max_weight}"
    if analysis.steps:
        weights = ",".join(str(step.weight) for step in analysis.steps)
        return f"Weight steps: {weights} max: {canary.max_weight}"
    if analysis.step_weights:
        return f"Weight steps: {','.join(map(str, analysis.step_weights))} max: {canary.max_weight}"
    return ""
