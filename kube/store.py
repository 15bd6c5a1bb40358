"""The objects of a cache, and the rules by which an update replaces what is stored. Pure: no clock, no I/O.

Updates come from three sources, in no order: the watch, a new list, and the answers of our own writes.
resourceVersions decide. The API promises that those of one resource grow, as decimal integers; where one is not a
decimal integer, anything that differs counts as newer.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from kube.packing import Outline, PackedObject, sharing, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kube.resource import Object, Objects

    Kept: TypeAlias = Object | PackedObject | Outline


class Key(NamedTuple):
    """The name of an object within its resource; `namespace` is "" for a cluster-scoped one."""

    namespace: str
    name: str


class Change(NamedTuple):
    """`old` is None for an object that was created, `new` for one that was deleted.

    An object that was deleted and created again between two updates is one change, of two objects with different uids.
    Where no more than an outline is kept, the outline stands for it. `is_listed`: a list showed it, so the time of the
    change is unknown.
    """

    key: Key
    old: Object | None
    new: Object | None
    is_listed: bool = False


class Store:
    """`resource_version` is the version up to which list and watch have reported every change ("": nothing yet).

    With an `outline`, objects are kept packed if they are used, and else no more than their outlines; these must keep
    `metadata` with the name, the namespace, the uid and the resourceVersion. `is_used` is asked for each object that
    list or watch report. What is remembered is used by whoever remembers it.
    """

    def __init__(
        self, outline: Callable[[Object], Object] | None = None, is_used: Callable[[Object], bool] = lambda _: True
    ) -> None:
        self.resource_version = ""
        self._outline = outline
        self._is_used = is_used
        self._names_by_namespace: dict[str, dict[str, Kept]] = {}

    def get(self, key: Key) -> Object | None:
        """Return an object, None if there is none, or no more of it than an outline."""
        kept = self._kept(key)
        if isinstance(kept, PackedObject):
            return kept.read()
        return None if isinstance(kept, Outline) else kept

    def glance(self, key: Key) -> Object | None:
        """Return what `get` does, and keep it no larger than before."""
        kept = self._kept(key)
        return None if kept is None or isinstance(kept, Outline) else _shown(kept)

    def has(self, key: Key) -> bool:
        """Return whether there is such an object, however much of it is kept."""
        return self._kept(key) is not None

    def items(self) -> Objects:
        """Return all objects, in no order, but those of which there is an outline only."""
        return [_shown(kept) for _, kept in self._all() if not isinstance(kept, Outline)]

    def by_namespace(self, namespace: str) -> Objects:
        """Return the objects of one namespace, but those of which there is an outline only."""
        found = self._names_by_namespace.get(namespace, {}).values()
        return [_shown(kept) for kept in found if not isinstance(kept, Outline)]

    def outlines(self, namespace: str) -> Objects:
        """Return the outlines of all of one namespace's objects; without an `outline` they are the objects."""
        return [_outline_of(kept) for kept in self._names_by_namespace.get(namespace, {}).values()]

    def to_keep(self, obj: Object) -> Kept:
        """Return as much of a listed object as is to be kept of it: the rest can go while the list goes on."""
        if self._outline is None:
            return obj
        return PackedObject(obj, self._outline) if self._is_used(obj) else Outline(self._outline(obj))

    def outline(self, key: Key) -> Object | None:
        """Return the outline of an object, None if there is none; without an `outline` it is the object."""
        kept = self._kept(key)
        return None if kept is None else _outline_of(kept)

    def put(self, obj: Object) -> Change | None:
        """Store an object that the watch reports as added or modified; return None when that is known already."""
        self.resource_version = version_of(obj)
        key = key_of(obj)
        old = self._kept(key)
        if old is None or isinstance(old, Outline) or not self._is_used(obj):
            return _change(self._put_newer(key, self.to_keep(obj)), obj)
        # What follows our own write was remembered of its answer.
        return self._follow(key, old, obj) if _is_newer(version_of(obj), _version(old)) else None

    def remove(self, obj: Object) -> Change | None:
        """Remove an object that the watch reports as deleted.

        Return None when it is not stored, or when a remembered write has created it again since.
        """
        self.resource_version = version_of(obj)
        key = key_of(obj)
        old = self._kept(key)
        if old is None or _is_older(version_of(obj), _version(old)):
            return None
        return _change(self._set(key, old, None))

    def remember(self, obj: Object) -> Change | None:
        """Store the answer of our own write, or of a read; return None when what is stored is as new, and is as much.

        The watch has already reported the deletion of an object that is not stored and no newer than the watch.
        """
        key = key_of(obj)
        old = self._kept(key)
        is_newer_than_watch = not self.resource_version or _is_newer(version_of(obj), self.resource_version)
        if old is None and not is_newer_than_watch:
            return None
        if old is not None and not isinstance(old, Outline):
            return self._follow(key, old, obj) if _is_newer(version_of(obj), _version(old)) else None
        kept = obj if self._outline is None else PackedObject(obj, self._outline)
        return _change(self._put_newer(key, kept), obj)

    def _follow(self, key: Key, old: Object | PackedObject, obj: Object) -> Change:
        """Store the next version of an object of which all is kept, in the same form, and with what did not change."""
        shown = _shown(old)
        obj = sharing(obj, shown)
        self._set(key, old, obj if self._outline is None else PackedObject(obj, self._outline, old))
        return Change(key, shown, obj)

    def forget(self, obj: Object) -> Change | None:
        """Drop an object that our own write deleted; return None when it is not stored, or was created again since."""
        key = key_of(obj)
        old = self._kept(key)
        if old is None or _outline_of(old)["metadata"].get("uid") != obj["metadata"].get("uid"):
            return None
        return _change(self._set(key, old, None))

    def release(self, key: Key) -> None:
        """Keep no more than the outline of an object that is not used any more."""
        kept = self._kept(key)
        if isinstance(kept, PackedObject) and not self._is_used(kept.glance()):
            self._names_by_namespace[key.namespace][key.name] = Outline(kept.outline)

    def replace_all(self, listed: Mapping[Key, Kept], resource_version: str) -> Iterator[Change]:
        """Store a list as of `resource_version`; return the changes that were missed, deletions too.

        All is stored when this returns; the changes are unpacked one by one as they are taken. What was remembered from
        later writes stays, unless the version is older than what was reported already: then etcd was restored from a
        backup, and only the list is true.
        """
        is_restored = _is_older(resource_version, self.resource_version)
        self.resource_version = resource_version
        gone = [
            (key, old)
            for key, old in self._all()
            if (
                not _is_same(listed.get(key), old)
                if is_restored
                else key not in listed and not _is_newer(_version(old), resource_version)
            )
        ]
        stored = [self._set(key, old, None) for key, old in gone]
        stored += [found for key, kept in listed.items() if (found := self._put_newer(key, kept)) is not None]
        return (Change(key, _shown_or_none(old), _shown_or_none(new), is_listed=True) for key, old, new in stored)

    def _all(self) -> Iterator[tuple[Key, Kept]]:
        return chain.from_iterable(
            ((Key(namespace, name), kept) for name, kept in names.items())
            for namespace, names in self._names_by_namespace.items()
        )

    def kept(self, namespace: str, name: str) -> Kept | None:
        """Return an object in the form in which it is kept, None if there is none."""
        names = self._names_by_namespace.get(namespace)
        return None if names is None else names.get(name)

    def _kept(self, key: Key) -> Kept | None:
        return self.kept(*key)

    def _put_newer(self, key: Key, new: Kept) -> _Stored | None:
        old = self._kept(key)
        if old is None or _is_newer(_version(new), _version(old)):
            return self._set(key, old, new)
        if isinstance(old, Outline) is isinstance(new, Outline) or _version(new) != _version(old):
            return None
        # The same, and more of it, or no more than is used: only the former is news to anybody.
        stored = self._set(key, old, new)
        return None if isinstance(new, Outline) else stored

    def _set(self, key: Key, old: Kept | None, new: Kept | None) -> _Stored:
        names = self._names_by_namespace.setdefault(key.namespace, {})
        if new is None:
            names.pop(key.name, None)
            if not names:
                del self._names_by_namespace[key.namespace]
        else:
            names[key.name] = new
        return _Stored(key, old, new)


class _Stored(NamedTuple):
    """A change as it is kept: what of it is packed, is unpacked when it is told."""

    key: Key
    old: Kept | None
    new: Kept | None


def _change(stored: _Stored | None, new: Object | None = None) -> Change | None:
    """Return a change as it is told; `new` is what was packed just now."""
    if stored is None:
        return None
    return Change(
        stored.key, _shown_or_none(stored.old), stored.new.outline if isinstance(stored.new, Outline) else new
    )


def _shown_or_none(kept: Kept | None) -> Object | None:
    return None if kept is None else _shown(kept)


def _shown(kept: Kept) -> Object:
    if isinstance(kept, PackedObject):
        return kept.glance()
    return kept.outline if isinstance(kept, Outline) else kept


def _outline_of(kept: Kept) -> Object:
    return kept.outline if isinstance(kept, PackedObject | Outline) else kept


def _version(kept: Kept) -> str:
    return kept.version if isinstance(kept, PackedObject | Outline) else version_of(kept)


def _is_same(listed: Kept | None, old: Kept) -> bool:
    """Return whether a list shows an object as it is kept, as far as both are kept."""
    if listed is None:
        return False
    if isinstance(listed, Outline) or isinstance(old, Outline):
        return _outline_of(listed) == _outline_of(old)
    return _shown(listed) == _shown(old)


def key_of(obj: Object) -> Key:
    """Return the key of an object in a cache."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


def _is_newer(version: str, than: str) -> bool:
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than


def _is_older(version: str, than: str) -> bool:
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
