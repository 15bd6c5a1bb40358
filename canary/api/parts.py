"""Parts of an object as it is stored, whatever stands there: what a CRD leaves free may be anything."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

_NOTHING: Final[Mapping[str, Any]] = {}


def mapping_of(holder: object, field: str) -> Mapping[str, Any]:
    """Return a field that is an object; an empty one where it is missing or something else."""
    found = holder.get(field) if isinstance(holder, Mapping) else None
    return found if isinstance(found, Mapping) else _NOTHING


def items_of(holder: object, field: str) -> Sequence[Any]:
    """Return a field that is a list; an empty one where it is missing or something else."""
    found = holder.get(field) if isinstance(holder, Mapping) else None
    return found if isinstance(found, list | tuple) else ()


def condition_of(status: object, kind: str) -> Mapping[str, Any]:
    """Return the condition of a type in a status; an empty one where there is none."""
    found = (item for item in items_of(status, "conditions") if text_of(item, "type") == kind)
    return next(found, _NOTHING)


def text_of(holder: object, field: str) -> str:
    """Return a field that is a text; an empty one where it is missing or something else."""
    found = holder.get(field) if isinstance(holder, Mapping) else None
    return found if isinstance(found, str) else ""
