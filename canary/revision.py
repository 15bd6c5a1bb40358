"""The revision of a workload: a content hash of its pod template.

The agent and the webhook call the same function on the stored object, so a mark made at admission and a revision
found by a watch are the same word for the same template.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

_REVISION_CHARS: Final = 16

# The ReplicaSet controller adds it to its copy of the template; without it both hash alike.
_POD_TEMPLATE_HASH: Final = "pod-template-hash"

# A node label that no node has: selecting it is how a DaemonSet is scaled to zero, and no revision of its own.
SCALE_TO_ZERO: Final = "flagger.app/scale-to-zero"


def revision_of(template: Mapping[str, Any]) -> str:
    """Hash a pod template (`spec.template` of a Deployment, DaemonSet or ReplicaSet) into 16 hex characters.

    Two templates of the same content give the same revision whatever the order of their keys; absent, null and empty
    metadata are the same. The ReplicaSet controller's own label does not count, nor does the scaling of a DaemonSet.
    """
    return content_hash(plain_template(template))


def plain_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a pod template without what the ReplicaSet controller and the API server's codecs add to it."""
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key != _POD_TEMPLATE_HASH}
    if labels:
        metadata["labels"] = labels
    else:
        metadata.pop("labels", None)
    metadata.pop("creationTimestamp", None)
    spec = dict(template.get("spec") or {})
    nodes = {key: value for key, value in (spec.pop("nodeSelector", None) or {}).items() if key != SCALE_TO_ZERO}
    return {"metadata": metadata, "spec": spec | ({"nodeSelector": nodes} if nodes else {})}


def content_hash(value: object) -> str:
    """Hash any JSON value into 16 hex characters, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_REVISION_CHARS]
