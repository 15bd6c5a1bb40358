"""Tracked ConfigMaps and Secrets: which count, and what their content is.

Source of the rules: Flagger 1.44, `pkg/canary/config_tracker.go`.
"""

import sys
from collections.abc import Collection
from typing import Final

from canary.run.revision import content_hash, keyed_hash
from canary.run.wire import TRACKING_ANNOTATION
from render.objects import Object

# Others (pull secrets, tokens) belong to service accounts, controllers or the cluster, not to a revision.
_TRACKED_TYPES: Final = frozenset({"Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"})

CONTENT: Final = ("data", "binaryData")


def is_tracking_disabled(obj: Object) -> bool:
    """Return whether the annotation on a ConfigMap, a Secret or a target disables tracking."""
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get(TRACKING_ANNOTATION, "")).startswith("disable")


class Fingerprints:
    """What stands for a content in statuses. With a key nobody can tell whether a content that they guess is the one.

    Without one, as before there were keys, it is the content's plain hash. A plain one that still stands in a status
    (`former`) stays, so that an upgrade is no new revision.
    """

    def __init__(self, key: bytes = b"", former: Collection[str] = ()) -> None:
        self._key = key
        self._former = frozenset(former)

    def use(self, key: bytes, former: Collection[str]) -> None:
        """Take these from now on; nothing may have been fingerprinted before."""
        self._key, self._former = key, frozenset(former)

    def of(self, config: Object) -> str:
        """Return the fingerprint of a ConfigMap or Secret as it was read."""
        plain = content_of(config)
        return plain if not self._key or plain in self._former else keyed_hash(self._key, _content(config))


def summary(config: Object, fingerprints: Fingerprints) -> Object:
    """Return what is kept of a ConfigMap or Secret: who it is, whose it is, and a fingerprint of it; no content.

    `content` is that, and empty for one that is not tracked. `type` and `isImmutable` tell whether it can be written.
    """
    metadata = config["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "ownerReferences")
    is_tracked = config.get("type", "Opaque") in _TRACKED_TYPES and not is_tracking_disabled(config)
    return {
        "kind": config["kind"],
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "content": fingerprints.of(config) if is_tracked else "",
        "type": sys.intern(config.get("type", "")),
        "isImmutable": bool(config.get("immutable")),
    }


def content_of(config: Object) -> str:
    """Hash the content of a ConfigMap or Secret as it was read; an absent map and an empty one are the same."""
    return content_hash(_content(config))


def _content(config: Object) -> Object:
    return {name: config[name] for name in CONTENT if config.get(name)}
