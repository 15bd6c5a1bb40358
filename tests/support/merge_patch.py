"""Applying a merge patch (RFC 7386) as the API server does: lists are replaced whole, and null removes."""

from typing import Any


def merge(into: Any, patch: Any) -> Any:
    """Merge a patch into an object, which is changed; return what has become of it."""
    if not isinstance(patch, dict):
        return patch
    merged: dict[str, Any] = into if isinstance(into, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
