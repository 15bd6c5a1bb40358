"""What tests do as users of the cluster: apply objects, look at them, wait for them."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.support.api import create, read, set_image
from tests.support.cluster import Cluster

T = TypeVar("T")

_LOOK_EVERY_S = 0.2
_TOLD_WITHIN_S = 30.0

# The garbage collector looks for new kinds every 30 s, and retries with a back-off what it could not resolve yet.
_COLLECTED_WITHIN_S = 180.0

# Its writes the webhook does not look at; with the masters' group it may write whatever the test wants.
_UNSEEN = ("--as=system:serviceaccount:gloo-system:serin-agent", "--as-group=system:masters")

QUICK_ANALYSIS: dict[str, Any] = {
    "interval": "1s",
    "threshold": 3,
    "maxWeight": 50,
    "stepWeight": 25,
    "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "10s", "onNoData": "pass"}],
}


@dataclass(frozen=True)
class Rollouts:
    """Canaries in one namespace of the cluster."""

    cluster: Cluster
    namespace: str

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects, as `kubectl apply -f -` does."""
        changed = [one for one in objects if not create(self.cluster.kubeconfig, self.namespace, one)]
        if changed:
            self._apply(changed)

    def apply_unseen(self, *objects: dict[str, Any]) -> None:
        """Apply objects that the webhook does not look at, as if they had come while it was away."""
        self._apply(objects, *_UNSEEN)

    def _apply(self, objects: Sequence[dict[str, Any]], *flags: str) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.cluster.kubectl("-n", self.namespace, "apply", *flags, "-f", "-", stdin=json.dumps(listed))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Read one object; empty when there is none."""
        return read(self.cluster.kubeconfig, self.namespace, kind, name)

    def status(self, name: str) -> dict[str, Any]:
        """Read a canary's status."""
        status: dict[str, Any] = self.get("canary", name).get("status") or {}
        return status

    def condition(self, name: str, kind: str) -> dict[str, str]:
        """Read one condition of a canary; empty when it has none."""
        conditions = self.status(name).get("conditions") or []
        return next((condition for condition in conditions if condition["type"] == kind), {})

    def events(self, name: str) -> list[tuple[str, str]]:
        """Return (type, message) of every event about a canary, in the order of their creation.

        The news of a move become events a moment after it is stored: they are waited for.
        """
        give_up_at_s = time.monotonic() + _TOLD_WITHIN_S
        while True:
            is_late = time.monotonic() > give_up_at_s
            news = (self.status(name).get("serin") or {}).get("news") or []
            events = self._events(name)
            is_told = {one["text"] for one in news} <= {text for _, text in events}
            if is_told or is_late:
                return events
            time.sleep(_LOOK_EVERY_S)

    def is_told(self, name: str, *texts: str, kind: str = "") -> bool:
        """Does an event about a canary, of this type if one is given, have all of these texts in its message?"""
        told = [said for told_as, said in self.events(name) if kind in {"", told_as}]
        return any(all(text in said for text in texts) for said in told)

    def wait_until_told(self, name: str, *texts: str, kind: str = "") -> None:
        """Wait for such an event."""
        self.wait_for(f"it is told: {', '.join(texts)}", lambda: self.is_told(name, *texts, kind=kind))

    def wait_until_told_times(self, name: str, text: str, times: int) -> None:
        """Wait until so many events about a canary, and no more, have this message: they come a moment late."""

        def count() -> int:
            return [said for _, said in self.events(name)].count(text)

        self.wait_for(f"it is told {times} times: {text}", lambda: count() >= times)
        assert count() == times

    def _events(self, name: str) -> list[tuple[str, str]]:
        events = read(self.cluster.kubeconfig, self.namespace, "event")["items"]
        about = [event for event in events if event["involvedObject"].get("name") == name]
        about = [event for event in about if event["involvedObject"]["kind"] == "Canary"]
        about.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["type"], event["message"]) for event in about]

    def weights(self, name: str) -> tuple[int, int]:
        """Read the primary's and the canary side's weight from a table whose first route has both."""
        destinations = self.get("routetable", name)["spec"]["routes"][0]["routeAction"]["multi"]["destinations"]
        primary, canary_side = (destination.get("weight", 0) for destination in destinations)
        return primary, canary_side

    def tags_of_primary(self, name: str) -> set[str]:
        """Return the image tags that a target's primary has run with: those of its ReplicaSets."""
        found = read(self.cluster.kubeconfig, self.namespace, "replicaset")["items"]
        templates = (one["spec"]["template"] for one in found)
        pods = [one["spec"] for one in templates if one["metadata"]["labels"].get("app") == f"{name}-primary"]
        return {str(pod["containers"][0]["image"]).partition(":")[2] for pod in pods}

    def revisions_of_primary(self, name: str, kind: str = "replicaset") -> dict[str, str]:
        """Return which revision is noted on what is kept of each template of a target's primary, by its image tag."""
        noted = {}
        for one in read(self.cluster.kubeconfig, self.namespace, kind)["items"]:
            template = one.get("data", one)["spec"]["template"]
            if template["metadata"]["labels"].get("app") == f"{name}-primary":
                tag = str(template["spec"]["containers"][0]["image"]).partition(":")[2]
                noted[tag] = str(one["metadata"]["annotations"].get("serin.dev/revision"))
        return noted

    def set_image(self, name: str, tag: str) -> None:
        """Change the target's image, as the guide does."""
        set_image(self.cluster.kubeconfig, self.namespace, name, "podinfod", f"stefanprodan/podinfo:{tag}")

    def roll_out(self, name: str, tag: str) -> None:
        """Change the target's image and wait until that revision is promoted, which may be past when we look."""
        before = self.status(name).get("lastAppliedSpec")
        self.set_image(name, tag)

        def is_promoted() -> bool:
            status = self.status(name)
            latest = status.get("lastAppliedSpec")
            is_over = (status.get("serin") or {}).get("finishedRevision") == latest
            return latest != before and is_over and status.get("phase") == "Succeeded"

        self.wait_for(f"{tag} is promoted", is_promoted, deadline_s=120.0)

    def wait_for(self, what: str, is_so: Callable[[], bool], deadline_s: float = 60.0) -> None:
        """Look until it is so; a failure says what was waited for and how every canary stands."""
        give_up_at_s = time.monotonic() + deadline_s
        while True:
            is_last_look = time.monotonic() > give_up_at_s
            if is_so():
                return
            if is_last_look:
                canaries = self.cluster.kubectl("-n", self.namespace, "get", "canaries", "-o", "yaml")
                raise AssertionError(f"not within {deadline_s:g} s: {what}\n{canaries}")
            time.sleep(_LOOK_EVERY_S)

    def see_stay(self, look: Callable[[], T], expected: T, for_s: float) -> None:
        """See that `look` shows what is expected for so long."""
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            found = look()
            assert found == expected, f"{found} in place of {expected}"
            time.sleep(_LOOK_EVERY_S)

    def wait_for_phase(self, name: str, phase: str, deadline_s: float = 60.0) -> None:
        """Wait until a canary is in a phase."""
        self.wait_for(f"{name} is {phase}", lambda: self.status(name).get("phase") == phase, deadline_s)

    def wait_for_collection(self, *generated: tuple[str, str]) -> None:
        """Wait until the garbage collector has taken all of (kind, name)."""

        def is_gone() -> bool:
            return not any(self.get(kind, name) for kind, name in generated)

        self.wait_for(f"{generated} are collected", is_gone, _COLLECTED_WITHIN_S)


def podinfo(name: str, *, replicas: int = 1, tag: str = "3.1.0") -> dict[str, Any]:
    """Return a Deployment of podinfo that is ready quickly."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "podinfod",
                            "image": f"stefanprodan/podinfo:{tag}",
                            "command": ["./podinfo", "--port=9898", "--level=error"],
                            "ports": [{"name": "http", "containerPort": 9898}],
                            "readinessProbe": {
                                "httpGet": {"path": "/readyz", "port": "http"},
                                "periodSeconds": 1,
                                "timeoutSeconds": 5,
                            },
                        }
                    ]
                },
            },
        },
    }


def hpa(name: str) -> dict[str, Any]:
    """Return an autoscaler of one or two replicas."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2},
    }


def canary(name: str, analysis: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a canary with short intervals; entries of `analysis` replace those of QUICK_ANALYSIS, None removes one."""
    merged = {key: value for key, value in (QUICK_ANALYSIS | (analysis or {})).items() if value is not None}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "service": {"port": 9898},
            "analysis": merged,
        }
        | spec,
    }
