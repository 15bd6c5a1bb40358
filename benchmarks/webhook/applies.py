"""What an apply costs that the webhook marks, one that it skips, and the same two where it never sees them, in one run.

All change a Deployment of no replicas by one small patch through the real API server, in turn, so that the noise
of the machine falls on all alike. The first is a canary's target whose image changes; the second is the same Deployment
whose template stays, and the entry's matchConditions skip it. The others are the same patches in a namespace that the
webhook's configuration exempts: what the webhook adds is the difference to the one of the same patch. What the two bare
webhooks of `benchmarks.webhook.limits` add to it is the limit: nothing that looks at the object at all can add less.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.kubectl import kubectl
from benchmarks.quantiles import p50_p99
from benchmarks.webhook import limits
from benchmarks.webhook.bare import ANNOTATION
from canary.run.mark import Mark
from kube.client import Client
from kube.resource import DEPLOYMENTS, Object

NAMESPACE: Final = "bench-webhook"
TARGET: Final = "bench"
_EXEMPT: Final = "gloo-system"
_ROUNDS: Final = 600
_WARM_UP: Final = 50
_INDEXED_WITHIN_S: Final = 10.0
_IMAGE: Final = "/spec/template/spec/containers/0/image"


def workload(name: str) -> dict[str, Any]:
    """Return a Deployment without replicas, as large as they come: with probes, ports, env and resources."""
    probe = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5}
    container = {
        "name": "podinfod",
        "image": "stefanprodan/podinfo:1",
        "command": ["./podinfo", "--port=9898", "--level=info"],
        "ports": [{"name": name, "containerPort": port} for name, port in (("http", 9898), ("grpc", 9999))],
        "env": [{"name": f"SETTING_{number}", "value": f"value {number}"} for number in range(20)],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "512Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }


def canary(name: str, target: str) -> dict[str, Any]:
    """Return a canary that is suspended: the agent leaves its target alone."""
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name},
        "spec": {
            "suspend": True,
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "service": {"port": 9898},
            "analysis": {"interval": "10s", "threshold": 5, "maxWeight": 50, "stepWeight": 5},
        },
    }


def prepare(kubeconfig: Path) -> None:
    """Make the namespace, the Deployments and the canary of one of them."""
    kubectl(kubeconfig, "create", "namespace", NAMESPACE)
    for kind in limits.KINDS:
        bare = workload(f"{TARGET}-{kind}")
        bare["metadata"]["labels"][limits.LABEL] = kind
        kubectl(kubeconfig, "-n", limits.NAMESPACE, "apply", "-f", "-", stdin=json.dumps(bare))
    kubectl(kubeconfig, "-n", _EXEMPT, "apply", "-f", "-", stdin=json.dumps(workload(TARGET)))
    for obj in (canary(TARGET, TARGET), workload(TARGET)):
        kubectl(kubeconfig, "-n", NAMESPACE, "apply", "-f", "-", stdin=json.dumps(obj))


async def measure(kubeconfig: Path) -> dict[str, Any]:
    """Return p50 and p99 of each kind in milliseconds, and what a mark adds to what a constant patch adds.

    Raises AssertionError when a webhook does not do what it is measured for.
    """
    async with Client.connect(kubeconfig=kubeconfig, user_agent="bench/1") as client:
        await _until_marked(client)
        kinds: dict[str, Callable[[int], Awaitable[Object]]] = {
            "apply_marked_ms": lambda number: _set_image(client, NAMESPACE, number),
            "apply_without_ms": lambda number: _set_image(client, _EXEMPT, number),
            **{f"apply_{kind}_ms": partial(_set_bare_image, client, kind) for kind in limits.KINDS},
            "apply_skipped_ms": lambda number: _set_label(client, NAMESPACE, number),
            "apply_skipped_without_ms": lambda number: _set_label(client, _EXEMPT, number),
        }
        order = random.Random(0)  # noqa: S311  nothing secret
        took_s: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(_WARM_UP + _ROUNDS):
            # In another order each time: what the cluster makes of one apply falls on the next.
            for kind, apply in order.sample(list(kinds.items()), len(kinds)):
                started_s = time.perf_counter()
                answer = await apply(number)
                if number >= _WARM_UP:
                    took_s[kind].append(time.perf_counter() - started_s)
                _check(kind, answer, number)
        figures: dict[str, Any] = {kind: p50_p99(samples_s) for kind, samples_s in took_s.items()}
        p50 = {kind: figures[f"apply_{kind}_ms"]["p50"] for kind in ("marked", "constant", "without")}
        added = (p50["marked"] - p50["without"]) / (p50["constant"] - p50["without"])
        return figures | {"marked_to_constant": round(added, 2)}


async def _until_marked(client: Client) -> None:
    """Wait for the webhook's index: it learns of the canary by watch."""
    give_up_at_s = time.monotonic() + _INDEXED_WITHIN_S
    for number in range(10_000):
        answer = await _set_image(client, NAMESPACE, 1_000_000 + number)
        if Mark.read(answer["metadata"].get("annotations")) is not None:
            return
        assert time.monotonic() < give_up_at_s, "the webhook has marked nothing"
        await asyncio.sleep(0.1)


def _check(kind: str, answer: Object, number: int) -> None:
    mark = Mark.read(answer["metadata"].get("annotations"))
    is_marked = mark is not None and mark.changed.endswith(f"-> {number}")
    assert is_marked == (kind in {"apply_marked_ms", "apply_skipped_ms"}), f"{kind}: found {mark} on {number}"


async def _set_image(client: Client, namespace: str, number: int, name: str = TARGET) -> Object:
    image = {"op": "replace", "path": _IMAGE, "value": f"stefanprodan/podinfo:{number}"}
    return await client.json_patch(DEPLOYMENTS, name, namespace, [image])


async def _set_bare_image(client: Client, kind: str, number: int) -> Object:
    answer = await _set_image(client, limits.NAMESPACE, number, f"{TARGET}-{kind}")
    is_patched = any(name.startswith(ANNOTATION) for name in answer["metadata"]["annotations"])
    assert is_patched == (kind == "constant"), f"{kind}: found {answer['metadata']['annotations']}"
    return answer


async def _set_label(client: Client, namespace: str, number: int) -> Object:
    label = {"op": "add", "path": "/metadata/labels/n", "value": str(number)}
    return await client.json_patch(DEPLOYMENTS, TARGET, namespace, [label])
