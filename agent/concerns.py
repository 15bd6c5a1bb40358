"""Which objects concern which canaries, by name: what is watched for them, and kept whole for them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final

from agent.resources import METRIC_TEMPLATES, ROUTE_TABLES, SCALED_OBJECTS, UPSTREAMS
from canary.api.names import Side, apex_name, primary_name, service_names, upstream_name
from canary.api.parts import items_of, mapping_of, text_of
from canary.run.status import read_identity
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.resource import DAEMONSETS, DEPLOYMENTS, HPAS, SERVICES, Object, Resource
from kube.store import Change, Key

WORKLOADS: Final = {"Deployment": DEPLOYMENTS, "DaemonSet": DAEMONSETS}

SCALERS: Final = {"HorizontalPodAutoscaler": HPAS, "ScaledObject": SCALED_OBJECTS}

Concern = tuple[str, Key]
"""The plural of a kind, and an object of it."""


class Concerns:
    """What the Canaries name as they are stored: `take` is the listener of their cache."""

    def __init__(self) -> None:
        self._of_canary: dict[Key, frozenset[Concern]] = {}
        self._canaries: dict[Concern, set[Key]] = defaultdict(set)
        self._namespaces: Counter[str] = Counter()

    def take(self, change: Change) -> Collection[Concern]:
        """Follow a change of a Canary; return what no canary names any more."""
        if change.key in self._of_canary and _names_the_same(change):
            return ()
        after = frozenset() if change.new is None else concerns_of(change.new)
        before = self._of_canary.get(change.key, frozenset())
        if after == before:
            return ()
        self._drop(change.key)
        if after:
            self._of_canary[change.key] = after
            self._namespaces[change.key.namespace] += 1
        for concern in after:
            self._canaries[concern].add(change.key)
        return [concern for concern in before if concern not in self._canaries]

    def canaries(self, resource: Resource, key: Key) -> Collection[Key]:
        """Return the canaries that an object concerns."""
        return self._canaries.get((resource.plural, key), ())

    def has_canaries(self, namespace: str) -> bool:
        """Return whether there is any canary in a namespace."""
        return namespace in self._namespaces

    def _drop(self, canary: Key) -> None:
        concerns = self._of_canary.pop(canary, None)
        if concerns is None:
            return
        self._namespaces -= Counter([canary.namespace])
        for concern in concerns:
            self._canaries[concern].discard(canary)
            if not self._canaries[concern]:
                del self._canaries[concern]


def _names_the_same(change: Change) -> bool:
    """Return whether no more changed than its status, and in that not the names of what was made."""
    old, new = change.old, change.new
    if old is None or new is None or old.get("spec") is not new.get("spec"):
        return False
    return _made_names(old) == _made_names(new)


def _made_names(obj: Object) -> object:
    return mapping_of(mapping_of(mapping_of(obj, "status"), SERIN_STATUS), StatusKey.NAMES)


def concerns_of(obj: Object) -> frozenset[Concern]:
    """Name the objects whose change wakes a canary, read from its spec as it stands, valid or not. Total.

    Of a canary with edited names, those that were made under the names before as well.
    """
    namespace, spec = obj["metadata"]["namespace"], mapping_of(obj, "spec")
    port = mapping_of(spec, "service").get("port")
    found: set[Concern] = set()
    for target, apex in {_names(obj), _names_as_made(obj)}:
        found |= {(resource.plural, Key(namespace, name)) for resource in WORKLOADS.values() for name in _sides(target)}
        found |= {(SERVICES.plural, Key(namespace, name)) for name in service_names(apex)}
        found.add((ROUTE_TABLES.plural, Key(namespace, apex)))
        if isinstance(port, int):
            found |= {(UPSTREAMS.plural, Key(namespace, upstream_name(namespace, apex, side, port))) for side in Side}
    if scaler := text_of(mapping_of(spec, "autoscalerRef"), "name"):
        found |= {(resource.plural, Key(namespace, name)) for resource in SCALERS.values() for name in _sides(scaler)}
    found.add((UPSTREAMS.plural, _referred(mapping_of(spec, "upstreamRef"), namespace)))
    for metric in items_of(mapping_of(spec, "analysis") or mapping_of(spec, "canaryAnalysis"), "metrics"):
        found.add((METRIC_TEMPLATES.plural, _referred(mapping_of(metric, "templateRef"), namespace)))
    return frozenset(concern for concern in found if concern[1].name)


def sides_of(obj: Object) -> tuple[str, str]:
    """Return the names of a canary's target and primary, as they were when its objects were made."""
    return _sides(_names_as_made(obj)[0])


def _names(obj: Object) -> tuple[str, str]:
    """Return the names of a canary's target and apex."""
    spec = mapping_of(obj, "spec")
    target = text_of(mapping_of(spec, "targetRef"), "name")
    return target, apex_name(text_of(mapping_of(spec, "service"), "name"), target)


def _names_as_made(obj: Object) -> tuple[str, str]:
    """Return the same names as they were when its objects were made."""
    made = read_identity(mapping_of(obj, "status"))
    return _names(obj) if made is None else (made.target, made.apex)


def _sides(name: str) -> tuple[str, str]:
    return name, primary_name(name)


def _referred(reference: Mapping[str, Any], namespace: str) -> Key:
    return Key(text_of(reference, "namespace") or namespace, text_of(reference, "name"))
