"""One canary in a line of the page: read from the object as it is stored, whatever stands there."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from canary.api.canary import DEFAULT_THRESHOLD
from canary.api.names import DEFAULT_TARGET_KIND, primary_name
from canary.api.parts import condition_of, items_of, mapping_of, text_of
from canary.api.shown import shown
from canary.run.phase import IDLE, Phase
from canary.run.status import READY
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.resource import Object

MOST_TEXT_CHARS: Final = 400
"""Of one text on the page: a line or two of it."""

_MOST_GATES: Final = 8


class Mood(StrEnum):
    """How much a canary wants to be looked at, most first: what the page is sorted by."""

    TROUBLE = "trouble"
    WAITING = "waiting"
    RUNNING = "running"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods of one side: `available` of those that are wanted. None where there is no such workload."""

    available: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Target:
    """The workload that a canary names."""

    namespace: str
    kind: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> "Target":
        """Read it from a Canary; the name is empty where there is none."""
        reference = mapping_of(mapping_of(obj, "spec"), "targetRef")
        kind = text_of(reference, "kind") or DEFAULT_TARGET_KIND
        return cls(obj["metadata"].get("namespace", ""), kind, text_of(reference, "name"))

    @property
    def primary(self) -> "Target":
        """Return its generated copy."""
        return Target(self.namespace, self.kind, primary_name(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the page's table has of a canary; the names of the fields are those of its JSON.

    `weight` and `mirror` are percent. `ready` is the status of the condition Ready, with its `reason` and `message`.
    `since` is the time of the last transition, as stored. `waiting`: the gates that the run waits for.
    `queue`: where a new revision stands that waits for its turn, as in `3 of 12`.
    """

    namespace: str
    name: str
    mood: Mood
    phase: str
    strategy: str
    weight: int
    mirror: int
    failed: int
    threshold: int
    paused: bool
    waiting: tuple[str, ...]
    queue: str
    ready: str
    reason: str
    message: str
    revision: str
    change: str
    by: str
    since: str
    target: str
    primary: Pods | None
    canary: Pods | None


def row_of(obj: Object, *, primary: Pods | None, canary: Pods | None) -> Row:
    """Return a canary's row. Total: what can't be read is left out."""
    status, target = mapping_of(obj, "status"), Target.of(obj)
    ours = mapping_of(status, SERIN_STATUS)
    change, ready = mapping_of(ours, StatusKey.CHANGE), condition_of(status, READY)
    waiting = tuple(
        shown(gate, MOST_TEXT_CHARS)
        for gate in items_of(ours, StatusKey.WAITING_FOR)[:_MOST_GATES]
        if isinstance(gate, str)
    )
    paused = ours.get(StatusKey.PAUSED) is True
    queue = _queue(ours) if text_of(status, "phase") in IDLE else ""
    spec = mapping_of(obj, "spec")
    analysis = mapping_of(spec, "analysis") or mapping_of(spec, "canaryAnalysis")
    return Row(
        namespace=obj["metadata"].get("namespace", ""),
        name=obj["metadata"]["name"],
        mood=_mood(text_of(status, "phase"), text_of(ready, "status"), is_waiting=bool(waiting or queue) or paused),
        phase=_text(status, "phase"),
        strategy=_text(ours, StatusKey.STRATEGY),
        weight=number_of(status, "canaryWeight"),
        mirror=number_of(ours, StatusKey.MIRROR_PERCENT),
        failed=number_of(status, "failedChecks"),
        threshold=number_of(analysis, "threshold") or DEFAULT_THRESHOLD,
        paused=paused,
        waiting=waiting,
        queue=queue,
        ready=_text(ready, "status"),
        reason=_text(ready, "reason"),
        message=_text(ready, "message"),
        revision=_text(status, "lastAppliedSpec"),
        change=_text(change, "what"),
        by=_text(change, "by"),
        since=_text(status, "lastTransitionTime"),
        target=shown(f"{target.kind}/{target.name}", MOST_TEXT_CHARS) if target.name else "",
        primary=primary,
        canary=canary,
    )


def pods_of(workload: Object | None) -> Pods | None:
    """Count the pods of a Deployment or a DaemonSet by its status."""
    if workload is None:
        return None
    status, spec = mapping_of(workload, "status"), mapping_of(workload, "spec")
    if "desiredNumberScheduled" in status:
        return Pods(number_of(status, "numberAvailable"), number_of(status, "desiredNumberScheduled"))
    wanted = number_of(spec, "replicas") if "replicas" in spec else 1
    return Pods(number_of(status, "availableReplicas"), wanted)


def number_of(holder: Mapping[str, Any], field: str) -> int:
    """Return a field that is a whole number; 0 where it is missing or something else."""
    found = holder.get(field)
    return found if isinstance(found, int) and not isinstance(found, bool) and abs(found) < 2**31 else 0


def _queue(ours: Mapping[str, Any]) -> str:
    found = mapping_of(ours, StatusKey.QUEUE)
    return f"{number_of(found, 'position')} of {number_of(found, 'of')}" if found else ""


def _text(holder: Mapping[str, Any], field: str) -> str:
    return shown(text_of(holder, field), MOST_TEXT_CHARS)


def _mood(phase: str, ready: str, *, is_waiting: bool) -> Mood:
    if ready == "False" or phase == Phase.FAILED:
        return Mood.TROUBLE
    if is_waiting:
        return Mood.WAITING
    return Mood.IDLE if phase in {"", *IDLE} else Mood.RUNNING
