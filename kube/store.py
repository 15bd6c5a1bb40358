"""The objects of a cache, and the rules by which news about them is believed. Pure: no clock, no I/O.

News comes from three sides, in no order: the watch, a new list, and the answers of our own writes. resourceVersions
decide. The API promises that those of one resource grow, as decimal integers; where one is not a decimal integer,
anything that differs counts as newer.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube.resource import Object, Objects


class Key(NamedTuple):
    """The name of an object within its resource; `namespace` is "" for one that lives in none."""

    namespace: str
    name: str


class Change(NamedTuple):
    """`old` is None for an object that came, `new` for one that went.

    An object that was deleted and made again between two looks is one change, of two objects with different uids.
    `is_listed`: a list told it, and nobody knows how long ago it was.
    """

    key: Key
    old: Object | None
    new: Object | None
    is_listed: bool = False


class Store:
    """`resource_version` is the moment up to which list and watch have told everything ("": nothing yet)."""

    def __init__(self) -> None:
        self.resource_version = ""
        self._names_by_namespace: dict[str, dict[str, Object]] = {}

    def get(self, key: Key) -> Object | None:
        return self._names_by_namespace.get(key.namespace, {}).get(key.name)

    def items(self) -> Objects:
        return list(chain.from_iterable(names.values() for names in self._names_by_namespace.values()))

    def by_namespace(self, namespace: str) -> Objects:
        return list(self._names_by_namespace.get(namespace, {}).values())

    def put(self, obj: Object) -> Change | None:
        """From the watch: it came, or changed. None when that is known already."""
        self.resource_version = _version(obj)
        return self._put_newer(obj)

    def remove(self, obj: Object) -> Change | None:
        """From the watch: it went. None when it is not here, or was made again since by a write that was remembered."""
        self.resource_version = _version(obj)
        key = key_of(obj)
        old = self.get(key)
        if old is None or _is_older(_version(obj), _version(old)):
            return None
        return self._set(key, old, None)

    def remember(self, obj: Object) -> Change | None:
        """From an answer of our own write.

        An object that is not here, and no newer than what the watch has told, is one whose deletion was told already.
        """
        is_news = not self.resource_version or _is_newer(_version(obj), self.resource_version)
        if self.get(key_of(obj)) is None and not is_news:
            return None
        return self._put_newer(obj)

    def replace_all(self, listed: Mapping[Key, Object], resource_version: str) -> list[Change]:
        """From a list as of `resource_version`: the changes that were missed, deletions too.

        What was remembered after that moment stays, unless the moment lies before what was told already: then etcd was
        restored from a backup, and only the list is true.
        """
        is_restored = _is_older(resource_version, self.resource_version)
        self.resource_version = resource_version
        if is_restored:
            gone = [old for old in self.items() if listed.get(key_of(old)) != old]
        else:
            gone = [
                old
                for old in self.items()
                if key_of(old) not in listed and not _is_newer(_version(old), resource_version)
            ]
        changes = [self._set(key_of(old), old, None) for old in gone]
        changes += [change for obj in listed.values() if (change := self._put_newer(obj)) is not None]
        return [change._replace(is_listed=True) for change in changes]

    def _put_newer(self, obj: Object) -> Change | None:
        key = key_of(obj)
        old = self.get(key)
        if old is not None and not _is_newer(_version(obj), _version(old)):
            return None
        return self._set(key, old, obj)

    def _set(self, key: Key, old: Object | None, new: Object | None) -> Change:
        names = self._names_by_namespace.setdefault(key.namespace, {})
        if new is None:
            names.pop(key.name, None)
            if not names:
                del self._names_by_namespace[key.namespace]
        else:
            names[key.name] = new
        return Change(key, old, new)


def key_of(obj: Object) -> Key:
    """Where an object stands in a cache."""
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
