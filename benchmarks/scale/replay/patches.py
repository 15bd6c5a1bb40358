"""Changing objects as the API server does: by a JSON patch, and by merging, which is all that an apply is here."""

from collections.abc import Mapping, Sequence
from typing import Any


class PatchRefused(Exception):  # noqa: N818  reads as what happened
    """A test failed, or a path leads nowhere."""


def json_patch(obj: Any, operations: Sequence[Mapping[str, Any]]) -> None:
    """Change an object in place; one that is refused is left half changed.

    Raises:
        PatchRefused: an operation can't be carried out.
    """
    for operation in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        try:
            _operate(_walk(obj, way), last, operation)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise PatchRefused(f"{operation}: {error!r}") from error


def _walk(obj: Any, way: Sequence[str]) -> Any:
    for part in way:
        obj = obj[int(part)] if isinstance(obj, list) else obj[part]
    return obj


def _operate(holder: Any, last: str, operation: Mapping[str, Any]) -> None:
    kind = operation["op"]
    if isinstance(holder, list):
        place = len(holder) if last == "-" else int(last)
        if kind == "add":
            holder.insert(place, operation["value"])
        elif kind == "remove":
            del holder[place]
        elif kind == "replace":
            holder[place] = operation["value"]
        elif holder[place] != operation["value"]:
            raise ValueError(holder[place])
        return
    if kind == "remove":
        del holder[last]
    elif kind == "test":
        if holder.get(last) != operation["value"]:
            raise ValueError(holder.get(last))
    else:
        holder[last] = operation["value"]


def merge(obj: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """Merge in place, by RFC 7386; lists are replaced as a whole."""
    for key, value in patch.items():
        if isinstance(value, dict):
            inner = obj.setdefault(key, {})
            if isinstance(inner, dict):
                merge(inner, value)
            else:
                obj[key] = value
        elif value is None:
            obj.pop(key, None)
        else:
            obj[key] = value
