"""What was read of ConfigMaps or Secrets one by one: their fingerprints, no content."""

import logging
from collections.abc import Callable, Iterable

from kube.resource import Object
from kube.store import Change, Key, key_of
from render.config_refs import ConfigRef
from render.configs import Fingerprints, summary

_log = logging.getLogger(__name__)


class KnownConfigs:
    """The `agent.tracking.port.Configs` of one kind that were read."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints
        self._kept: dict[str, dict[str, Object]] = {}
        self._listeners: list[Callable[[Change], None]] = []

    def get(self, namespace: str, name: str) -> Object | None:
        return self._kept.get(namespace, {}).get(name)

    def by_namespace(self, namespace: str) -> Iterable[Object]:
        return tuple(self._kept.get(namespace, {}).values())

    def remember(self, obj: Object) -> None:
        key = key_of(obj)
        self._set(key, obj if "content" in obj else summary(obj, self._fingerprints))

    def forget(self, obj: Object) -> None:
        self.drop(key_of(obj))

    def drop(self, key: Key) -> None:
        """Keep nothing of this one any more."""
        self._set(key, None)

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _set(self, key: Key, new: Object | None) -> None:
        names = self._kept.setdefault(key.namespace, {})
        old = names.pop(key.name, None)
        if new is not None:
            names[key.name] = new
        if not names:
            del self._kept[key.namespace]
        if old == new:
            return
        for listener in tuple(self._listeners):
            try:
                listener(Change(key, old, new))
            except Exception:  # noqa: BLE001  one listener's error must not keep the others from the change
                _log.exception("%s: a listener failed", "/".join(key))


def unreadable(ref: ConfigRef, namespace: str) -> Object:
    """Return what is kept of one that this agent may not read: it is tracked as little as one that says so."""
    metadata = {"name": ref.name, "namespace": namespace, "resourceVersion": ""}
    return {"kind": ref.kind, "metadata": metadata, "content": "", "type": "", "isImmutable": True}
