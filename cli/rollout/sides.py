"""The two sides of a canary: their workloads and pods."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from canary.api.shown import shown
from canary.run.revision import revision_of
from canary.run.wire import REVISION_ANNOTATION
from kube.label_selector import selector_text
from kube.resource import Object

TERMINATING: Final = "Terminating"
_TEMPLATE_HASHES: Final = ("pod-template-hash", "controller-revision-hash")
"""Labels by which Deployments and DaemonSets tell pods of one template from those of another."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as `kubectl get pods` tells it.

    `template_hash` is that of the template that it was made from; `is_old`: that is not the workload's present one.
    """

    name: str
    ready: int
    containers: int
    status: str
    restarts: int
    created_at: str
    template_hash: str = ""
    is_old: bool = False

    @property
    def is_well(self) -> bool:
        """Return whether it runs and all its containers are ready."""
        return self.status == "Running" and self.ready == self.containers

    @classmethod
    def read(cls, obj: Object) -> Self:
        """Read a pod; its status is the first reason why a container does not run, else its phase."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        found = status.get("containerStatuses") or []
        labels = metadata.get("labels") or {}
        word = next(_reasons(status), str(status.get("reason") or status.get("phase") or "Unknown"))
        if metadata.get("deletionTimestamp"):
            word = TERMINATING
        return cls(
            metadata["name"],
            sum(1 for one in found if one.get("ready")),
            len((obj.get("spec") or {}).get("containers") or ()),
            shown(word),
            sum(int(one.get("restartCount") or 0) for one in found),
            str(metadata.get("creationTimestamp") or ""),
            next((str(labels[key]) for key in _TEMPLATE_HASHES if key in labels), ""),
        )


def _reasons(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield why containers do not run, and why the pod is on no node."""
    for one in status.get("initContainerStatuses") or ():
        reason = ((one.get("state") or {}).get("waiting") or {}).get("reason")
        if reason and reason != "PodInitializing":
            yield f"Init:{reason}"
    for one in status.get("containerStatuses") or ():
        state = one.get("state") or {}
        for kind in ("waiting", "terminated"):
            if state.get(kind):
                yield str(state[kind].get("reason") or kind.capitalize())
    for one in status.get("conditions") or ():
        if one.get("type") == "PodScheduled" and one.get("status") == "False":
            yield str(one.get("reason") or "Unschedulable")


@dataclass(frozen=True, slots=True)
class Side:
    """A workload of one side. `wanted` and `ready` count pods of its template; `revision` is that of the template."""

    kind: str
    name: str
    wanted: int
    ready: int
    images: tuple[str, ...]
    revision: str
    pods: tuple[Pod, ...] = ()

    @property
    def old_pods(self) -> int:
        """Return how many pods of an older template are left."""
        return sum(1 for pod in self.pods if pod.is_old and pod.status != TERMINATING)

    @property
    def trouble(self) -> str:
        """Return why pods of the template are not up, empty where nothing is known of it."""
        ill = [pod for pod in self.pods if not pod.is_old and not pod.is_well and pod.status != TERMINATING]
        words = Counter("not ready" if pod.status == "Running" else pod.status for pod in ill)
        return ", ".join(word if len(words) == 1 else f"{number} {word}" for word, number in words.most_common())

    @classmethod
    def read(cls, obj: Object, pods: Iterable[Object], *, is_primary: bool) -> Self:
        """Read a Deployment or a DaemonSet. Which revision the primary was last given, the agent has noted on it."""
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        if obj["kind"] == "DaemonSet":
            wanted, ready = status.get("desiredNumberScheduled"), status.get("numberReady")
            updated = status.get("updatedNumberScheduled", 0 if wanted else None)
        else:
            wanted, ready = spec.get("replicas", 1), status.get("readyReplicas")
            updated = status.get("updatedReplicas", 0 if status.get("replicas") else None)
        noted = (obj["metadata"].get("annotations") or {}).get(REVISION_ANNOTATION) if is_primary else None
        template = spec.get("template") or {}
        own = _marked(tuple(map(Pod.read, pods)), int((ready if updated is None else updated) or 0))
        if own and any(pod.is_old for pod in own):
            ready = sum(1 for pod in own if not pod.is_old and pod.containers and pod.ready == pod.containers)
        elif updated is not None:
            ready = min(int(ready or 0), int(updated))
        return cls(
            obj["kind"],
            obj["metadata"]["name"],
            int(wanted or 0),
            int(ready or 0),
            images_of(template),
            shown(str(noted)) if noted else revision_of(template),
            tuple(sorted(own, key=lambda pod: pod.name)),
        )


def _marked(pods: tuple[Pod, ...], updated: int) -> tuple[Pod, ...]:
    """Return the pods, those of an older template marked; the workload's status says how many have the present one.

    They are the newest group of so many pods. A pod that ends counts nowhere.
    """
    groups: dict[str, list[Pod]] = {}
    for pod in sorted(pods, key=lambda pod: pod.created_at, reverse=True):
        if pod.template_hash and pod.status != TERMINATING:
            groups.setdefault(pod.template_hash, []).append(pod)
    present = next((key for key, group in groups.items() if len(group) == updated), None)
    if present is None and updated:
        present = next(iter(groups), None)
    return tuple(replace(pod, is_old=bool(pod.template_hash) and pod.template_hash != present) for pod in pods)


def images_of(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the images of a pod template's containers, in their order."""
    containers = (template.get("spec") or {}).get("containers") or ()
    return tuple(shown(str(one.get("image") or "")) for one in containers)


def selector_of(obj: Object) -> str:
    """Return the label selector of a workload's pods, as the API server takes it."""
    return selector_text((obj.get("spec") or {}).get("selector") or {})
