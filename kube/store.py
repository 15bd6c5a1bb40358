"""The objects of a cache, and the rules by which an update replaces what is stored. Pure: no clock, no I/O.

Updates come from three sources, in no order: the watch, a new list, and the answers of our own writes.
resourceVersions decide. The API promises that those of one resource grow, as decimal integers; where one is not a
decimal integer, anything that differs counts as newer.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from kube.packing import PackedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kube.resource import Object, Objects


class Key(NamedTuple):
    """The name of an object within its resource; `namespace` is "" for a cluster-scoped one."""

    namespace: str
    name: str


class Change(NamedTuple):
    """`old` is None for an object that was created, `new` for one that was deleted.

    An object that was deleted and created again between two updates is one change, of two objects with different uids.
    `is_listed`: a list showed it, so the time of the change is unknown.
    """

    key: Key
    old: Object | None
    new: Object | None
    is_listed: bool = False


class Store:
    """`resource_version` is the version up to which list and watch have reported every change ("": nothing yet).

    With an `outline`, objects are kept packed; it must keep `metadata` with the name, the namespace, the uid and the
    resourceVersion.
    """

    def __init__(self, outline: Callable[[Object], Object] | None = None) -> None:
        self.resource_version = ""
        self._outline = outline
        self._names_by_namespace: dict[str, dict[str, Object | PackedObject]] = {}

    def get(self, key: Key) -> Object | None:
        """Return an object, None if there is none."""
        kept = self._kept(key)
        return kept.read() if isinstance(kept, PackedObject) else kept

    def glance(self, key: Key) -> Object | None:
        """Return an object, None if there is none, and keep it no larger than before."""
        kept = self._kept(key)
        return None if kept is None else _glance(kept)

    def items(self) -> Objects:
        """Return all objects, in no order."""
        return [_glance(kept) for kept in self._all()]

    def by_namespace(self, namespace: str) -> Objects:
        """Return the objects of one namespace."""
        return [_glance(kept) for kept in self._names_by_namespace.get(namespace, {}).values()]

    def outlines(self, namespace: str) -> Objects:
        """Return the outlines of one namespace's objects; without an `outline` they are the objects."""
        return [_outline_of(kept) for kept in self._names_by_namespace.get(namespace, {}).values()]

    def _all(self) -> Iterable[Object | PackedObject]:
        return chain.from_iterable(names.values() for names in self._names_by_namespace.values())

    def _kept(self, key: Key) -> Object | PackedObject | None:
        return self._names_by_namespace.get(key.namespace, {}).get(key.name)

    def put(self, obj: Object) -> Change | None:
        """Store an object that the watch reports as added or modified; return None when that is known already."""
        self.resource_version = _version(obj)
        return self._put_newer(obj)

    def remove(self, obj: Object) -> Change | None:
        """Remove an object that the watch reports as deleted.

        Return None when it is not stored, or when a remembered write has created it again since.
        """
        self.resource_version = _version(obj)
        key = key_of(obj)
        old = self._kept(key)
        if old is None or _is_older(_version(obj), _version(_outline_of(old))):
            return None
        return self._set(key, old, None)

    def remember(self, obj: Object) -> Change | None:
        """Store the answer of our own write; return None when what is stored is as new.

        The watch has already reported the deletion of an object that is not stored and no newer than the watch.
        """
        is_newer_than_watch = not self.resource_version or _is_newer(_version(obj), self.resource_version)
        if self._kept(key_of(obj)) is None and not is_newer_than_watch:
            return None
        return self._put_newer(obj)

    def forget(self, obj: Object) -> Change | None:
        """Drop an object that our own write deleted; return None when it is not stored, or was created again since."""
        key = key_of(obj)
        old = self._kept(key)
        if old is None or _outline_of(old)["metadata"].get("uid") != obj["metadata"].get("uid"):
            return None
        return self._set(key, old, None)

    def replace_all(self, listed: Mapping[Key, Object], resource_version: str) -> list[Change]:
        """Store a list as of `resource_version`; return the changes that were missed, deletions too.

        What was remembered from later writes stays, unless the version is older than what was reported already: then
        etcd was restored from a backup, and only the list is true.
        """
        is_restored = _is_older(resource_version, self.resource_version)
        self.resource_version = resource_version
        if is_restored:
            gone = [old for old in self._all() if listed.get(key_of(_outline_of(old))) != _glance(old)]
        else:
            gone = [
                old
                for old in self._all()
                if key_of(_outline_of(old)) not in listed
                and not _is_newer(_version(_outline_of(old)), resource_version)
            ]
        changes = [self._set(key_of(_outline_of(old)), old, None) for old in gone]
        changes += [change for obj in listed.values() if (change := self._put_newer(obj)) is not None]
        return [change._replace(is_listed=True) for change in changes]

    def _put_newer(self, obj: Object) -> Change | None:
        key = key_of(obj)
        old = self._kept(key)
        if old is not None and not _is_newer(_version(obj), _version(_outline_of(old))):
            return None
        return self._set(key, old, obj)

    def _set(self, key: Key, old: Object | PackedObject | None, new: Object | None) -> Change:
        names = self._names_by_namespace.setdefault(key.namespace, {})
        if new is None:
            names.pop(key.name, None)
            if not names:
                del self._names_by_namespace[key.namespace]
        else:
            names[key.name] = new if self._outline is None else PackedObject(new, self._outline)
        return Change(key, None if old is None else _glance(old), new)


def _glance(kept: Object | PackedObject) -> Object:
    return kept.glance() if isinstance(kept, PackedObject) else kept


def _outline_of(kept: Object | PackedObject) -> Object:
    return kept.outline if isinstance(kept, PackedObject) else kept


def key_of(obj: Object) -> Key:
    """Return the key of an object in a cache."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


def _version(obj: Object) -> str:
    return str(obj["metadata"].get("resourceVersion", ""))


def _is_newer(version: str, than: str) -> bool:
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than


def _is_older(version: str, than: str) -> bool:
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
