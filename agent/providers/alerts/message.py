"""What a chat shows of an alert, before any chat's own format.

Source of the fields and their order: Flagger 1.44, `pkg/controller/events.go`; but `Revision`, `Reason`, `Change` and
`Applied by` are ours.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

from canary.api.canary import Canary
from canary.run.messages import Alert, Severity


@dataclass(frozen=True, slots=True)
class Field:
    """A line of its own under the text."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What the fields of a message are made of, one by one, for receivers that are programs.

    `id` names the alert once and for all. `target` is as in `Deployment/podinfo`. What is not known is empty.
    """

    id: str = ""
    at_s: float = 0.0
    cluster: str = ""
    namespace: str = ""
    name: str = ""
    target: str = ""
    revision: str = ""
    reason: str = ""
    change: str = ""
    applied_by: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """`canary` is `{name}.{namespace}`."""

    canary: str
    severity: Severity
    text: str
    fields: tuple[Field, ...] = ()
    details: Details = Details()

    def with_texts(self, change: Callable[[str], str]) -> Self:
        """Return the message with text and values changed, by escapes say."""
        fields = tuple(replace(field, value=change(field.value)) for field in self.fields)
        return replace(self, text=change(self.text), fields=fields)


def message_of(canary: Canary, alert: Alert, cluster_name: str, uid: str = "") -> Message:
    """Return the message of an alert; `cluster_name` is shown where there is one. `uid` is the Canary's."""
    target = canary.spec.target_ref
    details = Details(
        id=".".join(filter(None, (uid, alert.id))),
        at_s=alert.at_s,
        cluster=cluster_name,
        namespace=canary.namespace,
        name=canary.name,
        target=f"{target.kind or 'Deployment'}/{target.name}",
        revision=alert.revision,
        reason=alert.reason,
        change=alert.change.changed if alert.change is not None else "",
        applied_by=alert.change.by if alert.change is not None else "",
    )
    fields = [field for field in _fields(details) if field.value]
    if alert.has_settings:
        fields += _settings(canary)
    return Message(f"{canary.name}.{canary.namespace}", alert.severity, alert.text, tuple(fields), details)


def _fields(details: Details) -> Iterator[Field]:
    yield Field("Cluster", details.cluster)
    yield Field("Reason", details.reason)
    yield Field("Revision", details.revision)
    yield Field("Change", details.change)
    yield Field("Applied by", details.applied_by)


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
