"""A cluster as Flagger leaves it: the objects that it makes for a canary, its status and its leader's Lease.

Source of the shapes: Flagger 1.44, `pkg/canary/deployment_controller.go`, `pkg/router/kubernetes_default.go` and
`pkg/router/gloo.go`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from tests.support.cluster import Cluster
from tests.support.rollout import Rollouts, podinfo

Json = dict[str, Any]

REVISION = "6b8c7d9f5"


_HOLDER = "flagger-1"


@contextmanager
def flagger_at_work(cluster: Cluster) -> Iterator[None]:
    """Hold the Lease of Flagger's leader for as long as the block lasts, then give it back as Flagger does."""
    _write_lease(cluster, _HOLDER, duration_s=300)
    try:
        yield
    finally:
        _write_lease(cluster, "", duration_s=300)


def renew_lease(rollouts: Rollouts, *, duration_s: int) -> float:
    """Renew the Lease of a Flagger at work for so long; gives when, in seconds since the epoch."""
    return _write_lease(rollouts.cluster, _HOLDER, duration_s)


def _write_lease(cluster: Cluster, holder: str, duration_s: int) -> float:
    now = datetime.now(UTC)
    text = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    held = {"holderIdentity": holder, "leaseDurationSeconds": duration_s, "acquireTime": text, "renewTime": text}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "flagger-leader-election", "namespace": "gloo-system"},
        "spec": held,
    }
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(lease))
    return now.timestamp()


def flaggers_objects(canary: Json, *, tag: str, weight: int, matchers: list[Json] | None = None) -> list[Json]:
    """Return primary, services, Upstreams and RouteTable of the canary `app`; the primary runs podinfo `tag`."""
    namespace, owner = canary["metadata"]["namespace"], _owner(canary)

    def named(name: str, **labels: str) -> Json:
        return {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner]}

    primary = podinfo("app-primary", tag=tag)
    primary["metadata"] = named("app-primary", app="app-primary")
    primary["spec"]["template"]["metadata"]["annotations"] = {"flagger-id": "4b3f9d5e-0c5b-4b0e-9d6b-8d8d1f1c2c11"}
    port = {"name": "http", "port": 9898, "targetPort": 9898, "protocol": "TCP"}
    services: list[Json] = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": named(name, app=name),
            "spec": {"type": "ClusterIP", "selector": {"app": pods}, "ports": [port]},
        }
        for name, pods in (("app", "app-primary"), ("app-primary", "app-primary"), ("app-canary", "app"))
    ]
    upstreams: list[Json] = [
        {
            "apiVersion": "gloo.solo.io/v1",
            "kind": "Upstream",
            "metadata": named(f"{namespace}-app-{side}upstream-9898"),
            "spec": {
                "kube": {
                    "serviceName": f"app-{side}",
                    "serviceNamespace": namespace,
                    "servicePort": 9898,
                    "selector": {"app": pods},
                }
            },
        }
        for side, pods in (("primary", "app-primary"), ("canary", "app"))
    ]
    destinations: list[Json] = [
        {
            "destination": {"upstream": {"name": upstream["metadata"]["name"], "namespace": namespace}},
            "weight": share,
        }
        for upstream, share in zip(upstreams, (100 - weight, weight), strict=True)
    ]
    route: Json = {"inheritablePathMatchers": True, "routeAction": {"multi": {"destinations": destinations}}}
    table: Json = {
        "apiVersion": "gateway.solo.io/v1",
        "kind": "RouteTable",
        "metadata": named("app"),
        "spec": {"routes": [route | ({"matchers": matchers} if matchers else {})]},
    }
    return [primary, *services, *upstreams, table]


def configured(target: Json, config: str) -> Json:
    """Return a Deployment that takes its environment from a ConfigMap."""
    target["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": config}}]
    return target


def flaggers_copies(canary: Json, *sources: Json) -> list[Json]:
    """Return the `-primary` copies of ConfigMaps and autoscalers."""
    copies = deepcopy(list(sources))
    for copy in copies:
        name = f"{copy['metadata']['name']}-primary"
        copy["metadata"] = {"name": name, "namespace": canary["metadata"]["namespace"]}
        copy["metadata"]["ownerReferences"] = [_owner(canary)]
        if "scaleTargetRef" in copy.get("spec", {}):
            copy["spec"]["scaleTargetRef"]["name"] = name
    return copies


def write_flaggers_status(rollouts: Rollouts, phase: str, weight: int, **fields: Any) -> None:
    """Replace the status of the canary `app` by one of Flagger's."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {
        "phase": phase,
        "canaryWeight": weight,
        "failedChecks": 0,
        "iterations": 0,
        "lastAppliedSpec": REVISION,
        "lastPromotedSpec": REVISION,
        "lastTransitionTime": now,
    } | fields
    patch = json.dumps([{"op": "add", "path": "/status", "value": status}])
    kubectl = rollouts.cluster.kubectl
    kubectl("-n", rollouts.namespace, "patch", "canary", "app", "--subresource=status", "--type=json", "-p", patch)


def _owner(canary: Json) -> Json:
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "name": canary["metadata"]["name"],
        "uid": canary["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
