"""How a revision was noticed, and when it was written: the difference that the admission webhook makes, measured."""

from typing import Any, Final, Literal

from agent.outlines import is_generated
from agent.settings import FIELD_MANAGER
from agent.status_times import kept_time_s
from canary.api.parts import mapping_of
from canary.run.state import State
from kube.resource import Object
from kube.store import Change

DetectedBy = Literal["admission", "watch", "resync"]
"""By a mark; or it was unmarked, and became known by a watch event, or by a list after a gap."""

# Beside the API's own fields, in cached workloads only: of managedFields, which are many times as large, this is kept.
_WRITTEN_AT: Final = "serin.dev/writtenAt"
_REPLICAS_BY: Final = "serin.dev/replicasBy"


def keep_written_at(workload: Object) -> Object:
    """Copy a workload as the API server sent it, with the time of its last write by anybody but us, and who scaled it.

    Writes of a subresource (status, scale) are no edits. The API server stamps whole seconds, rounded down.
    """
    metadata: dict[str, Any] = workload["metadata"]
    times = [
        str(entry.get("time", ""))
        for entry in metadata.get("managedFields") or ()
        if not entry.get("subresource") and entry.get("manager") != FIELD_MANAGER
    ]
    scaled_by = [
        str(entry.get("manager", ""))
        for entry in metadata.get("managedFields") or ()
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    ]
    # Of several managers, who agree on the number, the one that is not us is told: the others may be many.
    others = sorted(name for name in scaled_by if name != FIELD_MANAGER)
    noted = {_WRITTEN_AT: max(times, default=""), _REPLICAS_BY: next(iter([*others, *scaled_by]), "")}
    return {**workload, "metadata": {**metadata, **noted}}


def replicas_manager(workload: Object) -> str:
    """Return the field manager that set a cached workload's `spec.replicas` last, empty if unknown."""
    manager: str = workload["metadata"].get(_REPLICAS_BY, "")
    return manager


def written_at_s(workload: Object) -> float | None:
    """Return when a cached workload was last written, in seconds since the epoch; None if unknown."""
    return kept_time_s(workload, _WRITTEN_AT)


def is_edit(change: Change) -> bool:
    """Return whether somebody wrote more than a status."""
    if change.old is None or change.new is None:
        return True
    old, new = change.old["metadata"], change.new["metadata"]
    return bool((old.get("uid"), old.get("generation")) != (new.get("uid"), new.get("generation")))


def is_users_new_template(change: Change) -> bool:
    """Return whether a workload that was there has another pod template just now, and is not one that was generated."""
    if change.is_listed or change.old is None or change.new is None or not is_edit(change):
        return False
    if is_generated(change.new):
        return False
    old, new = (mapping_of(obj, "spec").get("template") for obj in (change.old, change.new))
    return bool(old != new)


def has_detected(before: State, after: State) -> bool:
    """Return whether this transition is the reaction to a revision that was not known before.

    Only a run's beginning is stamped with its time; a revision that is merely read otherwise keeps the old stamp.
    """
    now, then = after.revisions.analysed, before.revisions.analysed
    return now != then and bool(then) and after.transition.at_s != before.transition.at_s
