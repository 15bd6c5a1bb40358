"""Parts of an object as it is stored, whatever stands there: what a CRD leaves free may be anything."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

_NOTHING: Final[Mapping[str, Any]] = {}


def mapping_of(holder: object, field: str) -> Mapping[str, Any]:
    """Return a field that is an object; an empty one where it is missing or something else."""
    found = holder.get(field) if _is_mapping(holder) else None
    return found if _is_mapping(found) else _NOTHING


def items_of(holder: object, field: str) -> Sequence[Any]:
    """Return a field that is a list; an empty one where it is missing or something else."""
    found = holder.get(field) if _is_mapping(holder) else None
    return found if isinstance(found, list | tuple) else ()


def condition_of(status: object, kind: str) -> Mapping[str, Any]:
    """Return the condition of a type in a status; an empty one where there is none."""
    found = (item for item in items_of(status, "conditions") if text_of(item, "type") == kind)
    return next(found, _NOTHING)


def text_of(holder: object, field: str) -> str:
    """Return a field that is a text; an empty one where it is missing or something else."""
    found = holder.get(field) if _is_mapping(holder) else None
    return found if isinstance(found, str) else ""


def _is_mapping(found: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether it is an object. Most are dicts, and to ask an abstract class takes ten times as long."""
    return type(found) is dict or isinstance(found, Mapping)
