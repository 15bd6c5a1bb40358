"""The operations of a JSON patch (RFC 6902) that the renderers write."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from render.objects import Object

Operation: TypeAlias = dict[str, Any]


def pointer(*parts: str | int) -> str:
    """Join keys and list positions into a JSON pointer (RFC 6901); `~` and `/` inside a key are escaped."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def test(path: str, value: Any) -> Operation:
    """Refuse the whole patch unless `value` stands at `path`."""
    return {"op": "test", "path": path, "value": value}


def put(path: str, value: Any) -> Operation:
    """Set a key of an object whether it is there or not: `add` replaces what it finds."""
    return {"op": "add", "path": path, "value": value}


def remove(path: str) -> Operation:
    """Drop what stands at `path`; the patch is refused when nothing does."""
    return {"op": "remove", "path": path}


def put_entries(obj: Object, path: tuple[str, ...], entries: Mapping[str, Any]) -> list[Operation]:
    """Set entries of the map at `path` of `obj`, one by one, so that those of others survive; equal ones are skipped.

    The parent of the map must be there; the map itself need not. One that was read as empty may hold what a cache has
    left out (kubectl's copy of the object), so only a missing one is put as a whole.
    """
    *parents, name = path
    holder: Any = obj
    for key in parents:
        holder = holder.get(key) or {}
    found = holder.get(name)
    if found is None:
        return [put(pointer(*path), dict(entries))] if entries else []
    return [put(pointer(*path, key), value) for key, value in entries.items() if found.get(key) != value]


def unchanged(obj: Object) -> list[Operation]:
    """Refuse the patch when anything of `obj` was written since it was read, its status included."""
    return [test("/metadata/resourceVersion", obj["metadata"]["resourceVersion"])]


def same_spec(obj: Object) -> list[Operation]:
    """Refuse the patch when the spec was written since `obj` was read, or the object replaced by a namesake.

    Only for kinds with a status subresource: there the generation moves with the spec alone, so that the many status
    writes of the workload controllers refuse nothing.
    """
    metadata = obj["metadata"]
    return [test("/metadata/uid", metadata["uid"]), test("/metadata/generation", metadata["generation"])]


def difference(old: Any, new: Any, *path: str | int) -> list[Operation]:
    """Return the operations that make `old`, which stands at `path`, into `new`, and touch nothing that is the same.

    Maps are compared key by key, lists of as many maps one by one; any other list is set as a whole, so a list must be
    the value of a key.
    """
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [remove(pointer(*path, key)) for key in old if key not in new]
        added = [put(pointer(*path, key), value) for key, value in new.items() if key not in old]
        kept = [key for key in old if key in new]
        return [*gone, *added, *(part for key in kept for part in difference(old[key], new[key], *path, key))]
    if _are_maps(old) and _are_maps(new) and len(old) == len(new):
        return [part for index in range(len(old)) for part in difference(old[index], new[index], *path, index)]
    return [put(pointer(*path), new)]


def _are_maps(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
