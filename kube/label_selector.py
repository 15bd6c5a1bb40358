"""A label selector as the API server takes it in a query."""

from collections.abc import Mapping
from typing import Any


def selector_text(selector: Mapping[str, Any]) -> str:
    """Return a selector of `matchLabels` and `matchExpressions` as a query; an empty text for an empty one."""
    labels = (f"{name}={value}" for name, value in (selector.get("matchLabels") or {}).items())
    return ",".join([*labels, *map(_requirement_text, selector.get("matchExpressions") or ())])


def _requirement_text(requirement: Mapping[str, Any]) -> str:
    name, values = requirement["key"], ",".join(requirement.get("values") or ())
    match requirement["operator"]:
        case "Exists":
            return str(name)
        case "DoesNotExist":
            return f"!{name}"
        case operator:
            return f"{name} {operator.lower()} ({values})"
