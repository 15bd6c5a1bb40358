"""Tracked ConfigMaps and Secrets: which count, what their content is, and the copies that the primary uses.

Source of the rules: Flagger 1.44, `pkg/canary/config_tracker.go`.
"""

from typing import Any, Final

from canary.api.canary import Canary
from canary.run.revision import content_hash
from canary.run.wire import TRACKING_ANNOTATION
from render.config_refs import ConfigRef
from render.json_patch import Operation, put, remove, unchanged
from render.objects import Object
from render.ownership import CANARY_KIND, owned_metadata, owner_reference

# Others (pull secrets, tokens) belong to service accounts, controllers or the cluster, not to a revision.
_TRACKED_TYPES: Final = frozenset({"Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"})

_CONTENT: Final = ("data", "binaryData")


def is_tracking_disabled(obj: Object) -> bool:
    """Return whether the annotation on a ConfigMap, a Secret or a target disables tracking."""
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get(TRACKING_ANNOTATION, "")).startswith("disable")


def summary(config: Object) -> Object:
    """Return what is kept of a ConfigMap or Secret: who it is, whose it is, and the hash of its content; no content.

    `content` is empty for one that is not tracked.
    """
    metadata = config["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "ownerReferences")
    is_tracked = config.get("type", "Opaque") in _TRACKED_TYPES and not is_tracking_disabled(config)
    return {
        "kind": config["kind"],
        "metadata": {name: metadata[name] for name in kept if name in metadata},
        "content": content_of(config) if is_tracked else "",
    }


def content_of(config: Object) -> str:
    """Hash the content of a ConfigMap or Secret as it was read; an absent map and an empty one are the same."""
    return content_hash({name: config[name] for name in _CONTENT if config.get(name)})


def is_copy(config: Object) -> bool:
    """Return whether it was made for a Canary. Canaries of a namespace that use one ConfigMap share its copy."""
    return any(owner.get("kind") == CANARY_KIND for owner in config["metadata"].get("ownerReferences") or ())


def config_copy(canary: Canary, config: Object) -> Object:
    """Render the primary's copy of a ConfigMap or Secret as it was read.

    Neither labels nor annotations go with it: they tell who applied the original, and a copy that claimed the same
    would be pruned or reverted. It is never immutable, for the next promotion writes it again.
    """
    metadata = owned_metadata(canary, ConfigRef(config["kind"], config["metadata"]["name"]).copy_name)
    fields = {name: config[name] for name in ("type", *_CONTENT) if config.get(name)}
    return {"apiVersion": "v1", "kind": config["kind"], "metadata": metadata} | fields


def copy_patch(canary: Canary, existing: Object, rendered: Object) -> list[Operation]:
    """Return an existing copy, as it was read, exactly the rendered content, and the canary as one of its owners."""
    operations = unchanged(existing)
    for name in _CONTENT:
        if name in rendered:
            operations.append(put(f"/{name}", rendered[name]))
        elif name in existing:
            operations.append(remove(f"/{name}"))
    return [*operations, put("/metadata/ownerReferences", _owners(canary, existing))]


def _owners(canary: Canary, existing: Object) -> list[dict[str, Any]]:
    """Add the canary to the owners; an object has one controller at the most, and the first canary stays it."""
    others = [
        owner
        for owner in existing["metadata"].get("ownerReferences") or ()
        if (owner.get("kind"), owner.get("name")) != (CANARY_KIND, canary.name)
    ]
    ours = owner_reference(canary)
    if any(owner.get("controller") for owner in others):
        ours |= {"controller": False}
    return [*others, ours]
