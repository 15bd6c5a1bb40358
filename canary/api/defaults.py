"""The defaults that a Canary is read with, made visible: which fields, with which values.

Only what is the same whether it is written or not, and only in objects, never in the entries of a list: a client that
applies its own copy of a list would take them out again, each time. What stands in an object is never touched, not even
a null or an empty text.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from canary.api.canary import DEFAULT_INTERVAL_S, DEFAULT_THRESHOLD, GLOO
from canary.api.service import DEFAULT_PORT_NAME

DEFAULT_INTERVAL: Final = f"{DEFAULT_INTERVAL_S:g}s"


class Default(NamedTuple):
    """One field that is absent. `path` leads to it, its holder is there."""

    path: tuple[str, ...]
    value: object


def canary_defaults(obj: Mapping[str, Any]) -> tuple[Default, ...]:
    """Return the defaults of the fields that a Canary does not have. An object of any shape will do."""
    return tuple(default for default in _all(obj) if _is_absent(obj, default.path))


def derived_defaults(obj: Mapping[str, Any]) -> tuple[Default, ...]:
    """Return those defaults that follow from another field of the object, whether they are absent or not."""
    service, target = _part(obj, "spec", "service"), _part(obj, "spec", "targetRef")
    derived: list[Default] = []
    if isinstance(name := target.get("name"), str) and name:
        derived.append(Default(("spec", "service", "name"), name))
    port = service.get("port")
    if isinstance(port, float) and port.is_integer():
        port = int(port)
    if isinstance(port, int) and not isinstance(port, bool):
        derived.append(Default(("spec", "service", "targetPort"), port))
    return tuple(derived)


def _all(obj: Mapping[str, Any]) -> Iterator[Default]:
    analysis = "canaryAnalysis" if _part(obj, "spec").get("analysis") is None else "analysis"
    yield Default(("spec", "provider"), GLOO)
    yield Default(("spec", "service", "portName"), DEFAULT_PORT_NAME)
    yield from derived_defaults(obj)
    yield Default(("spec", analysis, "interval"), DEFAULT_INTERVAL)
    yield Default(("spec", analysis, "threshold"), DEFAULT_THRESHOLD)


def _is_absent(obj: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    holder = _holder(obj, path[:-1])
    return holder is not None and path[-1] not in holder


def _part(obj: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    return _holder(obj, path) or {}


def _holder(obj: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any] | None:
    found: Any = obj
    for part in path:
        found = found.get(part)
        if not isinstance(found, Mapping):
            return None
    return found if isinstance(found, Mapping) else None
