"""What changed between two pod templates, in words that fit into one line: `podinfod image 6.0.0 -> 6.0.1`.

A value that may be a secret (of a variable, a label, an annotation, an argument) is never shown: only that it changed.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple

from canary.api.image import describe_image

LONGEST: Final = 512

_LONGEST_CHANGE: Final = 200
_RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
_CONTAINERS: Final = {"containers": "", "initContainers": "init container "}
_MAPS: Final = {"labels": "label", "annotations": "annotation"}
_TOLD_OF_SPEC: Final = frozenset({*_CONTAINERS, "volumes"})
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

    Both are as `canary.run.revision.plain_template` gives them: what it leaves out is not the user's doing. Images come
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
    # Most of a template is as it was: only the fields named here are looked into.
    in_spec, in_metadata = _changed_keys(specs), _changed_keys(metadata)
    lists = {field: _changed_pairs(specs, field, word) for field, word in _CONTAINERS.items() if field in in_spec}
    pairs = list(chain.from_iterable(lists.values()))
    for pair in pairs:
        if words := _image_change(pair):
            yield words
    if "annotations" in in_metadata and _differs(_both(*metadata, "annotations"), _RESTARTED_AT):
        yield "restarted"
    for pair in pairs:
        yield from _container_changes(pair)
    for field, changed in lists.items():
        if not changed:
            yield _order_change(field)
    if "volumes" in in_spec:
        yield from _volume_changes(_changed_pairs(specs, "volumes"))
    for field, word in _MAPS.items():
        if field in in_metadata:
            yield from _key_changes(_both(*metadata, field), word)
    yield from _rest(specs, in_spec, "spec.template.spec", told=_TOLD_OF_SPEC)
    yield from _rest(metadata, in_metadata, "spec.template.metadata", told=_MAPS.keys())


class _Pair(NamedTuple):
    """Two dicts that stand for the same thing, and its name; one of them is empty where the thing came or went."""

    name: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]


_Both = tuple[Mapping[str, Any], Mapping[str, Any]]


def _changed_pairs(holders: _Both, field: str, word: str = "") -> list[_Pair]:
    """Pair the items of two lists by name, in the order of the new list, what went last; only those that differ."""
    old, new = _by_name(holders[0].get(field)), _by_name(holders[1].get(field))
    pairs = [_Pair(f"{word}{name}", old.get(name, {}), item) for name, item in new.items()]
    pairs += [_Pair(f"{word}{name}", item, {}) for name, item in old.items() if name not in new]
    return [pair for pair in pairs if pair.old != pair.new]


def _image_change(pair: _Pair) -> str:
    before, after = str(pair.old.get("image") or "none"), str(pair.new.get("image") or "none")
    if before == after or not pair.old or not pair.new:
        return ""
    return f"{pair.name} image {describe_image(before, after)}"


def _container_changes(pair: _Pair) -> Iterator[str]:
    if not pair.old or not pair.new:
        name = pair.name if pair.name.startswith("init ") else f"container {pair.name}"
        yield f"{name} {'removed' if pair.old else 'added'}"
        return
    sides = (pair.old, pair.new)
    changed = _changed_keys(sides)
    if "env" in changed:
        for variable in _changed_pairs(sides, "env"):
            yield from _variable_changes(pair.name, variable)
    if "resources" in changed:
        yield from _resource_changes(pair.name, _both(*sides, "resources"))
    for field in changed:
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


def _resource_changes(container: str, resources: _Both) -> Iterator[str]:
    for kind in ("limits", "requests"):
        before, after = _both(*resources, kind)
        for name in _changed_keys((before, after)):
            yield f"{container} {kind}.{name} {_quantity(before.get(name))} -> {_quantity(after.get(name))}"


def _is_told(sides: _Both, field: str) -> bool:
    """Return whether the difference in a container's field was shown in full by its parts."""
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


def _order_change(field: str) -> str:
    """Tell of a list that differs though its named items are the same: their order, or what has no name."""
    return f"spec.template.spec.{field} changed"


def _volume_changes(changed: list[_Pair]) -> Iterator[str]:
    for pair in changed:
        yield f"volume {pair.name} {'removed' if not pair.new else 'changed' if pair.old else 'added'}"
    if not changed:
        yield _order_change("volumes")


def _key_changes(sides: _Both, word: str) -> Iterator[str]:
    old, new = sides
    for key in _changed_keys(sides):
        if key != _RESTARTED_AT:
            yield f"{word} {key} {'removed' if key not in new else 'changed' if key in old else 'added'}"


def _rest(sides: _Both, changed: Iterable[str], path: str, told: Container[str] = ()) -> Iterator[str]:
    """Tell every other field that changed by its path, as deep as objects go."""
    for key in changed:
        if key in told:
            continue
        old, new = (side.get(key) for side in sides)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _rest((old, new), _changed_keys((old, new)), f"{path}.{key}")
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
    """Name what came, went or changed, in order."""
    old, new = sides
    if old == new:
        return []
    return sorted([key for key in {*old, *new} if old.get(key, _ABSENT) != new.get(key, _ABSENT)])


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
