"""Applying a JSON patch (RFC 6902) as the API server does: all of it or, when a test fails, nothing."""

from copy import deepcopy
from typing import Any


class PatchRefused(Exception):  # noqa: N818  reads as the fact it is
    """A test failed, or a path does not lead anywhere."""


def apply_patch(obj: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a patched copy. Raises PatchRefused."""
    patched = deepcopy(obj)
    for operation in operations:
        try:
            _apply(patched, operation)
        except (KeyError, IndexError, TypeError) as error:
            raise PatchRefused(f"{operation}: {error!r}") from error
    return patched


def _apply(obj: dict[str, Any], operation: dict[str, Any]) -> None:
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    holder: Any = obj
    for part in parents:
        holder = holder[int(part)] if isinstance(holder, list) else holder[part]
    key = (len(holder) if last == "-" else int(last)) if isinstance(holder, list) else last
    match operation["op"]:
        case "test" if holder[key] != operation["value"]:
            raise PatchRefused(f"{operation}: found {holder[key]!r}")
        case "test":
            pass
        case "add" if isinstance(holder, list):
            holder.insert(key, operation["value"])
        case "add":
            holder[key] = operation["value"]
        case "remove":
            del holder[key]
        case op:
            raise PatchRefused(f"{op} is not an operation that we write")
