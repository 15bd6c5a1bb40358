"""The recordings of a real Gloo under tests/contract/gloo, and the objects that stood around each of them."""

import json
from pathlib import Path
from typing import Any

import yaml

from sandbox.gloo.reports import PROXY
from sandbox.gloo.snapshot import Snapshot, key_of

Json = dict[str, Any]

_ROOT = Path(__file__).parents[1] / "contract" / "gloo"
NAMESPACE = "conf"
CASES = sorted(path.stem for path in (_ROOT / "cases").glob("*.yaml"))
UPSTREAM_CASES = sorted(path.stem for path in (_ROOT / "upstreams").glob("*.yaml"))


def objects(case: str) -> list[Json]:
    """The VirtualService and RouteTables of one case."""
    return list(yaml.safe_load_all((_ROOT / "cases" / f"{case}.yaml").read_text()))


def recording(case: str) -> Json:
    """`envoy_virtual_hosts` (None when the old ones stayed) and `statuses` by plural/name."""
    return dict(json.loads((_ROOT / "recorded" / f"{case}.json").read_text()))


def is_served(case: str) -> bool:
    """Whether the case's routes came into force. Gloo gives the others to Envoy too, which refuses them."""
    return recording(case)["envoy_virtual_hosts"] is not None


def upstream(case: str) -> Json:
    return dict(yaml.safe_load((_ROOT / "upstreams" / f"{case}.yaml").read_text()))


def upstream_recording(case: str) -> Json:
    """`envoy_cluster`, `endpoints` (both None without a cluster) and `status`."""
    return dict(json.loads((_ROOT / "recorded-upstreams" / f"{case}.json").read_text()))


def kube_upstream(side: str) -> Json:
    """`conf-app-primaryupstream-9898` or `conf-app-canaryupstream-9898`: what the recorded cases route to."""
    return {
        "apiVersion": "gloo.solo.io/v1",
        "kind": "Upstream",
        "metadata": {"name": f"conf-app-{side}upstream-9898", "namespace": NAMESPACE},
        "spec": {
            "kube": {
                "serviceName": f"app-{side}",
                "serviceNamespace": NAMESPACE,
                "servicePort": 9898,
                "selector": {"app": f"app-{side}"},
            }
        },
    }


def service(side: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"app-{side}", "namespace": NAMESPACE},
        "spec": {"selector": {"app": f"app-{side}"}, "ports": [{"name": "http", "port": 9898, "targetPort": 9898}]},
    }


def endpoint_slice(side: str, addresses: list[str], port: int = 9898) -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"app-{side}-slice",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": f"app-{side}"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
    }


def surroundings() -> list[Json]:
    """What stood in the cluster while the cases were recorded, with the endpoints of the Upstream recordings."""
    return [
        *(item for side in ("primary", "canary") for item in (kube_upstream(side), service(side))),
        endpoint_slice("primary", ["10.244.0.5"]),
        endpoint_slice("canary", ["10.244.0.6", "10.244.0.7"]),
    ]


def snapshot(items: list[Json]) -> Snapshot:
    """The objects of `items`, sorted into their collections."""
    by_kind: dict[str, dict[tuple[str, str], Json]] = {}
    for item in items:
        by_kind.setdefault(item["kind"], {})[key_of(item)] = item
    return Snapshot(
        virtual_services=by_kind.get("VirtualService", {}),
        route_tables=by_kind.get("RouteTable", {}),
        upstreams=by_kind.get("Upstream", {}),
        services=by_kind.get("Service", {}),
        endpoint_slices=by_kind.get("EndpointSlice", {}),
    )


def recorded_form(virtual_hosts: list[Json]) -> list[Json]:
    """Virtual hosts as the recordings show them: domains and routes."""
    return [{"domains": host["domains"], "routes": host.get("routes", [])} for host in virtual_hosts]


def recorded_status(status: Json) -> Json:
    """A status of `.status.statuses["gloo-system"]` as the recordings show it."""
    proxy = status["subresourceStatuses"]
    assert set(proxy) == {PROXY}
    return {"state": status["state"], "reason": status.get("reason"), "proxy": proxy}


def without_hash(cluster: Json | None) -> Json | None:
    """The cluster less the hash that ends the name of its endpoints: Gloo's hash function is its own."""
    if cluster is None or "eds_cluster_config" not in cluster:
        return cluster
    eds = cluster["eds_cluster_config"]
    name, _, digest = eds["service_name"].rpartition("-")
    assert digest.isdigit()
    return cluster | {"eds_cluster_config": eds | {"service_name": name}}
