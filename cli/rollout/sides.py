"""The two sides of a canary: their workloads and pods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from canary.api.shown import shown
from canary.run.revision import revision_of
from canary.run.wire import REVISION_ANNOTATION
from kube.resource import Object, Objects


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as `kubectl get pods` tells it."""

    name: str
    ready: int
    containers: int
    status: str
    restarts: int
    created_at: str

    @property
    def is_well(self) -> bool:
        """Return whether it runs and all its containers are ready."""
        return self.status == "Running" and self.ready == self.containers

    @classmethod
    def read(cls, obj: Object) -> Self:
        """Read a pod; its status is the first reason why a container does not run, else its phase."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        found = status.get("containerStatuses") or []
        reasons = [
            str(state[kind].get("reason") or kind.capitalize())
            for one in found
            for state in [one.get("state") or {}]
            for kind in ("waiting", "terminated")
            if state.get(kind)
        ]
        word = next(iter(reasons), str(status.get("reason") or status.get("phase") or "Unknown"))
        if metadata.get("deletionTimestamp"):
            word = "Terminating"
        return cls(
            metadata["name"],
            sum(1 for one in found if one.get("ready")),
            len((obj.get("spec") or {}).get("containers") or ()),
            shown(word),
            sum(int(one.get("restartCount") or 0) for one in found),
            str(metadata.get("creationTimestamp") or ""),
        )


@dataclass(frozen=True, slots=True)
class Side:
    """A workload of one side. `wanted` and `ready` count pods; `revision` is that of its template."""

    kind: str
    name: str
    wanted: int
    ready: int
    images: tuple[str, ...]
    revision: str
    pods: tuple[Pod, ...] = ()

    @classmethod
    def read(cls, obj: Object, pods: Objects, *, is_primary: bool) -> Self:
        """Read a Deployment or a DaemonSet. Which revision the primary was last given, the agent has noted on it."""
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if obj["kind"] == "DaemonSet":
            wanted, ready = status.get("desiredNumberScheduled"), status.get("numberReady")
        else:
            wanted, ready = spec.get("replicas", 1), status.get("readyReplicas")
        noted = (obj["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION) if is_primary else None
        template = spec.get("template") or {}
        return cls(
            obj["kind"],
            obj["metadata"]["name"],
            int(wanted or 0),
            int(ready or 0),
            images_of(template),
            shown(str(noted)) if noted else revision_of(template),
            tuple(sorted(map(Pod.read, pods), key=lambda pod: pod.name)),
        )


def images_of(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the images of a pod template's containers, in their order."""
    containers = (template.get("spec") or {}).get("containers") or ()
    return tuple(shown(str(one.get("image") or "")) for one in containers)


def selector_of(obj: Object) -> str:
    """Return the label selector of a workload's pods, as the API server takes it."""
    selector = (obj.get("spec") or {}).get("selector") or {}
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression.get("key"), ",".join(expression.get("values") or ())
        words = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(str(words.get(expression.get("operator"), f"!{key}")))
    return ",".join(parts)
