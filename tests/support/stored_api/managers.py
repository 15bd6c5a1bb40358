"""Who wrote what of an object, and when: managedFields, by which objects are half as large again."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]


def time_text(at_s: float) -> str:
    """Return a time as objects have it."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def created_by(manager: str, obj: Object, now: str) -> Object:
    """Return the entry of who created an object: all but its status."""
    spec = {key: value for key, value in obj.items() if key not in {"apiVersion", "kind", "status"}}
    return _entry(manager, obj, now) | {"fieldsV1": _fields(spec)}


def note_write(obj: Object, manager: str, now: str, *, is_status: bool) -> None:
    """Note that somebody wrote the status of an object, or the rest of it; which fields is noted the first time."""
    entries = obj["metadata"].setdefault("managedFields", [])
    known: Object | None = next(
        (one for one in entries if one["manager"] == manager and (one.get("subresource") == "status") == is_status),
        None,
    )
    if known is None:
        part = "status" if is_status else "spec"
        known = _entry(manager, obj, now) | ({"subresource": "status"} if is_status else {})
        known["fieldsV1"] = _fields({part: obj.get(part) or {}})
        entries.append(known)
    known["time"] = now


def _entry(manager: str, obj: Object, now: str) -> Object:
    api_version = obj.get("apiVersion", "v1")
    return {"manager": manager, "operation": "Update", "apiVersion": api_version, "time": now, "fieldsType": "FieldsV1"}


def _fields(value: Any) -> Any:
    if isinstance(value, dict):
        return {f"f:{key}": _fields(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return dict(_items(value))
    return {}


def _items(values: list[Any]) -> Iterator[tuple[str, Any]]:
    for position, value in enumerate(values):
        name = value.get("name", position) if isinstance(value, dict) else position
        yield f'k:{{"name":"{name}"}}', {".": {}} | _fields(value)
