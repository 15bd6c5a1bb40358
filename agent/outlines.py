"""What is kept of objects that are not used: see `kube.packing`.

Most workloads, Services, Upstreams and autoscalers of a cluster belong to no canary.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from agent.resources import SCALED_OBJECTS, UPSTREAMS
from kube.resource import DAEMONSETS, DEPLOYMENTS, HPAS, SERVICES, Object, Resource
from render.ownership import CANARY_API_VERSION, CANARY_KIND

_METADATA: Final = ("name", "namespace", "uid", "resourceVersion", "generation", "deletionTimestamp", "ownerReferences")


def outline_of(resource: Resource) -> Callable[[Object], Object] | None:
    """Return how objects of a kind are outlined; None for kinds of which nearly all are read."""
    return _OUTLINES.get(resource)


def is_generated(obj: Object) -> bool:
    """Return whether a Canary owns an object: it was made for one, whatever the Canary names by now."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return any((owner.get("apiVersion"), owner.get("kind")) == (CANARY_API_VERSION, CANARY_KIND) for owner in owners)


def _metadata(obj: Object) -> Object:
    found = obj["metadata"]
    return {"metadata": {field: found[field] for field in _METADATA if field in found}}


def _workload(workload: Object) -> Object:
    """Keep whose pods it has, too: a canary's selectors are held against those of all workloads of its namespace."""
    spec = workload["spec"]
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    selector = spec.get("selector") or {}
    kept = {**selector, "matchLabels": _interned(selector["matchLabels"])} if selector.get("matchLabels") else selector
    return {
        "kind": workload.get("kind"),
        **_metadata(workload),
        "spec": {"selector": kept, "template": {"metadata": {"labels": _interned(labels)}}},
    }


def _scaler(scaler: Object) -> Object:
    """Keep what it scales, too: a primary that it scales is not scaled by us."""
    return {**_metadata(scaler), "spec": {"scaleTargetRef": {"name": _scaled(scaler)}}}


def _scaled(scaler: Object) -> str:
    return str(((scaler.get("spec") or {}).get("scaleTargetRef") or {}).get("name", ""))


def _interned(labels: Mapping[str, Any]) -> dict[str, Any]:
    """Copy labels, with equal texts shared: a value stands in selector and template, and in other workloads."""
    return {sys.intern(key): sys.intern(value) for key, value in labels.items()}


_OUTLINES: Final[Mapping[Resource, Callable[[Object], Object]]] = {
    DEPLOYMENTS: _workload,
    DAEMONSETS: _workload,
    HPAS: _scaler,
    SCALED_OBJECTS: _scaler,
    SERVICES: _metadata,
    UPSTREAMS: _metadata,
}
