"""Objects of a cluster as its API server has them: a canary in the middle of a run, its workloads and pods."""

from typing import Any

from canary.run.revision import revision_of

Object = dict[str, Any]
OLD_IMAGE, NEW_IMAGE = "ghcr.io/stefanprodan/podinfo:6.0.0", "ghcr.io/stefanprodan/podinfo:6.0.1"


def template(image: str, app: str = "podinfo") -> Object:
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "podinfod", "image": image}]}}


OLD, NEW = revision_of(template(OLD_IMAGE)), revision_of(template(NEW_IMAGE))


def canary(name: str = "podinfo", namespace: str = "test", **status: Any) -> Object:
    """A canary; without `status` one in a run at 20 of 50."""
    ours = status.pop("serin", {})
    running: Object = {
        "phase": "Progressing",
        "canaryWeight": 20,
        "failedChecks": 1,
        "lastAppliedSpec": NEW,
        "lastPromotedSpec": OLD,
        "lastTransitionTime": "2026-11-30T14:00:00Z",
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Reconciling", "message": "The canary is valid and watched."}
        ],
    }
    change = {"revision": NEW, "what": "podinfod image 6.0.0 -> 6.0.1", "by": "alice"}
    seen = {"uid": "u", "generation": 2, "revision": NEW}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "analysis": {"interval": "1m", "threshold": 5, "maxWeight": 50, "stepWeight": 10},
        },
        "status": {**running, **status, "serin": {"change": change, "seen": seen, "sequence": 4, **ours}},
    }


def deployment(name: str, image: str, replicas: int = 2, revision: str = "") -> Object:
    annotations = {"annotations": {"serin.dev/revision": revision}} if revision else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "test", **annotations},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(image, name),
        },
        "status": {"replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas},
    }


def pod(name: str, app: str, *, waiting: str = "", restarts: int = 0) -> Object:
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    found = {"name": "podinfod", "ready": not waiting, "restartCount": restarts, "state": state}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "test",
            "labels": {"app": app},
            "creationTimestamp": "2026-11-30T13:00:00Z",
        },
        "spec": {"containers": [{"name": "podinfod"}]},
        "status": {"phase": "Pending" if waiting else "Running", "containerStatuses": [found]},
    }
