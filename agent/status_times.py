"""When a RouteTable was last written, and when its status by others: what an agent that has just started knows.

The API server notes it in managedFields, which the caches drop because of their size; these two times are kept of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from agent.settings import FIELD_MANAGER
from kube.resource import Object

# Beside the API's own fields, in cached RouteTables only.
_ROUTES: Final = "serin.dev/routesWrittenAt"
_STATUS: Final = "serin.dev/statusWrittenAt"

KEPT_TIMES: Final = (_ROUTES, _STATUS)


class StatusTimes(NamedTuple):
    """Seconds since the epoch, whole ones, rounded down; None where that was never written, or nobody noted it."""

    routes_at_s: float | None
    status_at_s: float | None


def keep_status_times(table: Object) -> Object:
    """Copy a RouteTable as the API server sent it, with the two times.

    That of the routes is our own last write; of a table that we never wrote, anybody's who set any of its spec.
    """
    metadata: dict[str, Any] = table["metadata"]
    entries: Sequence[Mapping[str, Any]] = metadata.get("managedFields") or ()
    ours = [entry for entry in entries if entry.get("manager") == FIELD_MANAGER]
    others = [entry for entry in entries if entry.get("manager") != FIELD_MANAGER]
    routes = _last(ours) or _last(entry for entry in others if "f:spec" in (entry.get("fieldsV1") or {}))
    status = _last(entry for entry in others if "f:status" in (entry.get("fieldsV1") or {}))
    return {**table, "metadata": {**metadata, _ROUTES: routes, _STATUS: status}}


def _last(entries: Iterable[Mapping[str, Any]]) -> str:
    return max((str(entry.get("time", "")) for entry in entries), default="")


def status_times(table: Object) -> StatusTimes:
    """Read the two times of a cached RouteTable."""
    return StatusTimes(kept_time_s(table, _ROUTES), kept_time_s(table, _STATUS))


def kept_time_s(obj: Object, key: str) -> float | None:
    """Read a time that a cache keeps in an object's metadata, in seconds since the epoch; None if unknown."""
    text: str = obj["metadata"].get(key, "")
    return datetime.fromisoformat(text).timestamp() if text else None
