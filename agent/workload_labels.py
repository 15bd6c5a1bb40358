"""Which workloads of a namespace have a label: found without looking at all of them, at each tick of each canary."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, count
from typing import Any, NamedTuple, TypeVar

from agent.resources import CANARIES
from kube.cache import Cache
from kube.resource import Object
from kube.store import Change
from render.selectors import own_selector, pod_labels

_Label = tuple[str, str]
_K = TypeVar("_K")


class _Name(NamedTuple):
    kind: str
    name: str


class _Namespace:
    """What was asked about: the workloads by the values of each key, and those of Canaries by a label they select."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.by_key: dict[str, dict[str, tuple[_Name, ...]]] = {}
        self.selecting: dict[_Label, tuple[_Name, ...]] = {}


class WorkloadLabels:
    """Follows the workloads of the caches, by kind; of namespaces and keys that nobody asks about it keeps nothing."""

    def __init__(self, caches: Mapping[str, Cache]) -> None:
        self._caches = caches
        self._namespaces: dict[str, _Namespace] = {}
        self._versions = count()
        for kind, cache in caches.items():
            cache.subscribe(partial(self._on_change, kind))

    def with_label(self, namespace: str, key: str, value: str) -> list[Object]:
        """Return the outlines of the workloads whose pods have a label, or that select pods by it, in a fixed order."""
        known = self._of(namespace)
        if key not in known.by_key:
            known.by_key[key] = {}
            for name, workload in self._all(namespace):
                _add_values(known.by_key[key], key, name, workload)
        return self._outlines(namespace, known.by_key[key].get(value, ()))

    def of_canaries_selecting(self, namespace: str, labels: Mapping[str, str]) -> list[Object]:
        """Return the outlines of the workloads made by Canaries that may select pods with these labels."""
        known = self._of(namespace)
        return self._outlines(namespace, chain.from_iterable(known.selecting.get(one, ()) for one in labels.items()))

    def version(self, namespace: str) -> int:
        """Return another number whenever the answers about a namespace may have become others."""
        return self._of(namespace).version

    def forget(self, namespace: str) -> None:
        """Keep nothing of a namespace, until somebody asks about it again."""
        self._namespaces.pop(namespace, None)

    def _of(self, namespace: str) -> _Namespace:
        known = self._namespaces.get(namespace)
        if known is None:
            known = self._namespaces[namespace] = _Namespace(next(self._versions))
            for name, workload in self._all(namespace):
                _add_selecting(known, name, workload)
        return known

    def _all(self, namespace: str) -> Iterator[tuple[_Name, Object]]:
        for kind, cache in self._caches.items():
            for outline in cache.outlines(namespace):
                yield _Name(kind, outline["metadata"]["name"]), outline

    def _outlines(self, namespace: str, names: Iterator[_Name] | tuple[_Name, ...]) -> list[Object]:
        found = ((name, self._caches[name.kind].outline(namespace, name.name)) for name in sorted(set(names)))
        return [outline | {"kind": name.kind} for name, outline in found if outline is not None]

    def _on_change(self, kind: str, change: Change) -> None:
        known = self._namespaces.get(change.key.namespace)
        if known is None or (change.old and change.new and _what_counts(change.old) == _what_counts(change.new)):
            return
        known.version = next(self._versions)
        name = _Name(kind, change.key.name)
        if change.old is not None:
            for key, values in known.by_key.items():
                for value in _values(change.old, key):
                    _drop(values, value, name)
            for label in own_selector(change.old).items():
                _drop(known.selecting, label, name)
        if change.new is not None:
            for key, values in known.by_key.items():
                _add_values(values, key, name, change.new)
            _add_selecting(known, name, change.new)


def has_controller(workload: Object) -> bool:
    """Return whether a Canary controls the workload."""
    references = workload["metadata"].get("ownerReferences") or ()
    return any(owner.get("kind") == CANARIES.kind and owner.get("controller") for owner in references)


def _what_counts(workload: Object) -> tuple[Mapping[str, str], Mapping[str, str], Any]:
    return pod_labels(workload), own_selector(workload), workload["metadata"].get("ownerReferences")


def _values(workload: Object, key: str) -> set[str]:
    return {labels[key] for labels in (pod_labels(workload), own_selector(workload)) if key in labels}


def _add_values(values: dict[str, tuple[_Name, ...]], key: str, name: _Name, workload: Object) -> None:
    for value in _values(workload, key):
        values[value] = tuple(dict.fromkeys((*values.get(value, ()), name)))


def _add_selecting(known: _Namespace, name: _Name, workload: Object) -> None:
    """Note a workload of a Canary under one of the labels that it selects: pods that it selects have that one, too."""
    label = min(own_selector(workload).items(), default=None)
    if label is not None and has_controller(workload):
        known.selecting[label] = tuple(dict.fromkeys((*known.selecting.get(label, ()), name)))


def _drop(names: dict[_K, tuple[_Name, ...]], entry: _K, name: _Name) -> None:
    left = tuple(one for one in names.get(entry, ()) if one != name)
    if left:
        names[entry] = left
    else:
        names.pop(entry, None)
