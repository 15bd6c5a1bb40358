"""What changed between two pod templates, in words that fit into one line: `podinfod image 6.0.0 -> 6.0.1`.

A value that may be a secret (of a variable, a label, an annotation, an argument) is never shown: only that it changed.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

from canary.image import describe_image

LONGEST: Final = 512

_LONGEST_CHANGE: Final = 200
_RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
_CONTAINERS: Final = {"containers": "", "initContainers": "init container "}
_TOLD_OF_SPEC: Final = frozenset({*_CONTAINERS, "volumes"})
_TOLD_OF_METADATA: Final = frozenset({"labels", "annotations"})
_ABSENT: Final = object()

_SOURCES: Final = {
    "secretKeyRef": ("Secret", "name", "key"),
    "configMapKeyRef": ("ConfigMap", "name", "key"),
    "fieldRef": ("field", "fieldPath", ""),
    "resourceFieldRef": ("resource", "resource", ""),
}
"""Where a variable comes from: its word, and the fields that say which."""


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Describe what turns one pod template into the other, at most 512 characters.

    Both are as `canary.revision.plain_template` gives them: what it leaves out is not the user's doing. Images come
    first, then what else most often breaks a release. Empty when nothing differs. Any JSON value is taken: what has
    not the form of a pod template is told by its path.
    """
    changes = [_one_line(change) for change in _changes(old, new)]
    shown: list[str] = []
    for number, change in enumerate(changes):
        left = len(changes) - number
        rest = f"and {left} more change{'s' if left > 1 else ''}"
        # The last one needs no room for a rest.
        needed = [*shown, change] + ([rest] if left > 1 else [])
        if len(", ".join(needed)) > LONGEST:
            return ", ".join([*shown, rest])
        shown.append(change)
    return ", ".join(shown)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    specs, metadata = _both(old, new, "spec"), _both(old, new, "metadata")
    pairs = list(chain.from_iterable(_changed_pairs(specs, field, word) for field, word in _CONTAINERS.items()))
    for pair in pairs:
        yield from _image_changes(pair)
    if _differs(_both(*metadata, "annotations"), _RESTARTED_AT):
        yield "restarted"
    for pair in pairs:
        yield from _container_changes(pair)
    for field in _CONTAINERS:
        yield from _order_changes(specs, field)
    yield from _named_changes(specs, "volumes", "volume")
    for field, word in (("labels", "label"), ("annotations", "annotation")):
        yield from _key_changes(_both(*metadata, field), word)
    yield from _rest(specs, "spec.template.spec", told=_TOLD_OF_SPEC)
    yield from _rest(metadata, "spec.template.metadata", told=_TOLD_OF_METADATA)


class _Pair(NamedTuple):
    """Two dicts that stand for the same thing, and its name; one of them is empty where the thing came or went."""

    name: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]


_Both = tuple[Mapping[str, Any], Mapping[str, Any]]


def _pairs(holders: _Both, field: str, word: str = "") -> Iterator[_Pair]:
    """Pair the items of two lists by name, in the order of the new list, what went last."""
    old, new = (_by_name(holder.get(field)) for holder in holders)
    for name in [*new, *(name for name in old if name not in new)]:
        yield _Pair(f"{word}{name}", old.get(name, {}), new.get(name, {}))


def _changed_pairs(holders: _Both, field: str, word: str = "") -> list[_Pair]:
    """Pair only what came, went or changed. Most lists are as they were: a look at the whole is enough."""
    if not _differs(holders, field):
        return []
    return [pair for pair in _pairs(holders, field, word) if pair.old != pair.new]


def _image_changes(pair: _Pair) -> Iterator[str]:
    before, after = (str(side.get("image") or "none") for side in (pair.old, pair.new))
    if pair.old and pair.new and before != after:
        yield f"{pair.name} image {describe_image(before, after)}"


def _container_changes(pair: _Pair) -> Iterator[str]:
    if not pair.old or not pair.new:
        name = pair.name if pair.name.startswith("init ") else f"container {pair.name}"
        yield f"{name} {'removed' if pair.old else 'added'}"
        return
    sides = (pair.old, pair.new)
    for variable in _changed_pairs(sides, "env"):
        yield from _variable_changes(pair.name, variable)
    resources = _both(*sides, "resources")
    for kind in ("limits", "requests"):
        before, after = _both(*resources, kind)
        for name in _changed_keys((before, after)):
            yield f"{pair.name} {kind}.{name} {_quantity(before.get(name))} -> {_quantity(after.get(name))}"
    for field in _changed_keys(sides):
        if field != "image" and not _is_told(sides, field):
            yield f"{pair.name} {field} changed"


def _variable_changes(container: str, variable: _Pair) -> Iterator[str]:
    before, after = _source(variable.old), _source(variable.new)
    if not variable.old or not variable.new:
        yield f"{container} env {variable.name} {'removed' if variable.old else 'added'}"
    elif before == after:
        yield f"{container} env {variable.name} changed"
    else:
        yield f"{container} env {variable.name} {before} -> {after}"


def _is_told(sides: _Both, field: str) -> bool:
    """Whether the difference in a container's field was told in full by its parts."""
    match field:
        case "env":
            return bool(_changed_pairs(sides, "env"))
        case "resources":
            resources = _both(*sides, "resources")
            changed = _changed_keys(resources)
            return bool(changed) and all(
                kind in {"limits", "requests"} and _changed_keys(_both(*resources, kind)) for kind in changed
            )
        case _:
            return False


def _order_changes(specs: _Both, field: str) -> Iterator[str]:
    """Tell of a list that differs though its named items are the same: their order, or what has no name."""
    if _differs(specs, field) and not _changed_pairs(specs, field):
        yield f"spec.template.spec.{field} changed"


def _named_changes(holders: _Both, field: str, word: str) -> Iterator[str]:
    for pair in _changed_pairs(holders, field):
        yield f"{word} {pair.name} {'removed' if not pair.new else 'changed' if pair.old else 'added'}"
    yield from _order_changes(holders, field)


def _key_changes(sides: _Both, word: str) -> Iterator[str]:
    old, new = sides
    for key in _changed_keys(sides):
        if key != _RESTARTED_AT:
            yield f"{word} {key} {'removed' if key not in new else 'changed' if key in old else 'added'}"


def _rest(sides: _Both, path: str, told: frozenset[str] = frozenset()) -> Iterator[str]:
    """Tell every other field by its path, as deep as objects go."""
    for key in _changed_keys(sides):
        if key in told:
            continue
        old, new = (side.get(key) for side in sides)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _rest((old, new), f"{path}.{key}")
        else:
            yield f"{path}.{key} changed"


def _source(variable: Mapping[str, Any]) -> str:
    """Name where a variable's value comes from; the value itself is not shown."""
    for field, source in _mapping(variable.get("valueFrom")).items():
        word, *keys = _SOURCES.get(field, (field, "name", "key"))
        return " ".join([word, "/".join(str(_mapping(source)[key]) for key in keys if key in _mapping(source))])
    return "a value"


def _by_name(items: object) -> dict[str, Mapping[str, Any]]:
    found = items if isinstance(items, list) else []
    return {str(item.get("name")): item for item in found if isinstance(item, dict)}


def _both(old: Mapping[str, Any], new: Mapping[str, Any], field: str) -> _Both:
    return _mapping(old.get(field)), _mapping(new.get(field))


def _changed_keys(sides: _Both) -> list[str]:
    return [] if sides[0] == sides[1] else sorted(key for key in {*sides[0], *sides[1]} if _differs(sides, key))


def _differs(sides: _Both, key: str) -> bool:
    return bool(sides[0].get(key, _ABSENT) != sides[1].get(key, _ABSENT))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _quantity(value: object) -> str:
    return "none" if value is None else str(value)


def _one_line(change: str) -> str:
    if not change.isprintable():
        change = "".join(char if char.isprintable() else " " for char in change)
    line = " ".join(change.split())
    return line if len(line) <= _LONGEST_CHANGE else f"{line[: _LONGEST_CHANGE - 3]}..."
