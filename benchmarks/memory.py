"""What the agent's caches take of memory for a workload that belongs to no canary: as it is kept, and as it was."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import orjson

from agent.caches import Caches
from canary.run.revision import content_hash
from kube.cache import Cache
from kube.resource import DEPLOYMENTS, Object

_WORKLOADS = 500


def measure() -> dict[str, float]:
    """Return KiB a Deployment, and the ratio of what it took whole to what it takes."""
    client: Any = None  # nothing is asked
    kept = _kib_each(lambda: Caches(client, "").of(DEPLOYMENTS))
    whole = _kib_each(lambda: Cache(client, DEPLOYMENTS))
    size = len(orjson.dumps(_deployment(0))) / 1024
    return {
        "deployment_json_kib": round(size, 1),
        "deployment_whole_kib": round(whole, 1),
        "deployment_kept_kib": round(kept, 1),
        "whole_to_kept": round(whole / kept, 1),
    }


def _kib_each(make: Callable[[], Cache]) -> float:
    """Measure what is left of memory once the cache has taken the objects, as text from the API server."""
    texts = [orjson.dumps(_deployment(number)) for number in range(_WORKLOADS)]
    tracemalloc.start()
    try:
        cache = make()
        before, _ = tracemalloc.get_traced_memory()
        for text in texts:
            cache.remember(orjson.loads(text))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / _WORKLOADS / 1024


def _deployment(number: int) -> Object:
    """A Deployment of some 8 KiB without what field managers note, which no cache keeps."""
    name = f"shop-{number}"
    containers = [
        {
            "name": f"c{container}",
            "image": f"registry.example.com/team-{number % 7}/{name}:{number}.{container}",
            "env": [
                {"name": f"SETTING_{key}_OF_{container}", "value": content_hash([number, container, key])}
                for key in range(25)
            ],
            "volumeMounts": [{"name": f"v{mount}", "mountPath": f"/mnt/{name}/{mount}"} for mount in range(3)],
        }
        for container in range(3)
    ]
    labels = {"app": name, "team": f"team-{number % 7}"}
    metadata = {"name": name, "namespace": "test", "uid": f"uid-{number}", "resourceVersion": str(number + 1)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata | {"generation": 1, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "observedGeneration": 1},
    }
