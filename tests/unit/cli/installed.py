"""A cluster in which all is well: Gloo, Serin as its manifests install it, Prometheus, a canary between two runs."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.cluster import REPOSITORY
from tests.unit.cli.cluster_api import ClusterApi, Object, status
from tests.unit.cli.cluster_objects import OLD, canary

GLOO = "gloo-system"
PROXY = "GET /api/v1/namespaces/gloo-system/services/http:flagger-prometheus:9090/proxy/api/v1/query"
DENIED = "admission webhook \"canaries.serin.dev\" denied the request: spec.analysis.metrics[0].query: found 'sum('"
CLUSTERS = ("test-podinfo-primaryupstream-9898_test", "test-podinfo-canaryupstream-9898_test")
COUNTED = "envoy_cluster_upstream_rq_total"
SERIES = ("envoy_cluster_upstream_rq", COUNTED, "envoy_cluster_upstream_rq_time_bucket")


def manifest(path: str, kind: str = "") -> Object:
    """Return the first object of a manifest, or the one of a kind."""
    found: Iterator[Object] = iter(yaml.safe_load_all((REPOSITORY / "manifests" / path).read_text()))
    return next(one for one in found if not kind or one["kind"] == kind)


def of_cluster(obj: Object) -> Object:
    obj["metadata"]["namespace"] = ""
    return obj


def running(obj: Object, ready: int = 1) -> Object:
    obj["spec"]["replicas"] = max(1, ready)
    return {**obj, "status": {"replicas": ready, "readyReplicas": ready}}


def deployment(name: str, image: str, namespace: str = GLOO, ready: int = 1, **labels: str) -> Object:
    container = {"name": name, "image": image}
    return running(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"selector": {"matchLabels": labels}, "template": {"spec": {"containers": [container]}}},
        },
        ready,
    )


def bundle(left_days: int = 1000) -> str:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ca")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2000))
        .not_valid_after(now + timedelta(days=left_days, hours=1))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.PEM)).decode()


def lease(name: str, namespace: str = GLOO, age_s: float = 1.0, holder: str = "serin-agent-7d9f_u1") -> Object:
    renewed = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat().replace("+00:00", "Z")
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}
    return {"kind": "Lease", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def shard_the_agent(api: ClusterApi) -> None:
    """Install three leaders."""
    agent = running(manifest("agent/deployment.yaml"))
    agent["spec"]["template"]["spec"]["containers"][0]["args"].append("--shards=3")
    api.put("deployments", agent)
    api.put("leases", lease("serin-agent", holder="3 leaders"))
    for shard in range(3):
        api.put("leases", lease(f"serin-agent.shard-{shard}", holder=f"serin-agent-{shard}_u"))


def idle_canary(name: str = "podinfo", namespace: str = "test", **changes: Any) -> Object:
    found = canary(name, namespace, phase="Succeeded", canaryWeight=0, lastAppliedSpec=OLD)
    found["spec"] |= {"service": {"port": 9898}, **changes}
    return found


def route_table(name: str = "podinfo", namespace: str = "test", **entry: Any) -> Object:
    proxy = {"*v1.Proxy.gateway-proxy_gloo-system": {"state": "Accepted", "reportedBy": "gloo", **entry}}
    statuses = {GLOO: {"state": "Accepted", "reportedBy": "gloo", "subresourceStatuses": proxy}}
    return {
        "kind": "RouteTable",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"routes": []},
        "status": {"statuses": statuses},
    }


def virtual_service(*tables: str, namespace: str = "test") -> Object:
    routes = [{"delegateAction": {"ref": {"name": name, "namespace": namespace}}} for name in tables]
    return {
        "kind": "VirtualService",
        "metadata": {"name": "podinfo", "namespace": namespace},
        "spec": {"virtualHost": {"domains": ["*"], "routes": routes}},
    }


def vector(*series: tuple[dict[str, str], float]) -> Object:
    result = [{"metric": labels, "value": [0, str(value)]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


class Prometheus:
    """What the server has; `own` are answers to queries of templates, by a piece of the query."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = SERIES
        self.clusters: dict[str, str] = dict.fromkeys(CLUSTERS, GLOO)
        self.certificate_s = 300 * 86400.0
        self.own: dict[str, Object] = {}
        self.is_down = False

    def __call__(self, request: web.Request, _: bytes) -> web.Response:
        query = request.query["query"]
        if self.is_down:
            return status(
                503, "ServiceUnavailable", 'no endpoints available for service "http:flagger-prometheus:9090"'
            )
        for piece, answer in self.own.items():
            if piece in query:
                return web.json_response(answer, status=400 if answer["status"] == "error" else 200)
        if query.startswith("count by (__name__)"):
            return web.json_response(vector(*(({"__name__": name}, 1.0) for name in self.names)))
        if query.startswith("count by (envoy_cluster_name"):
            found = [
                ({"envoy_cluster_name": one, "kubernetes_namespace": ns}, 1.0) for one, ns in self.clusters.items()
            ]
            return web.json_response(vector(*found))
        assert query == "min(serin_certificate_expiry_seconds)", query
        return web.json_response(vector(({}, self.certificate_s)))


def install(api: ClusterApi) -> Prometheus:
    """Put all of it into the cluster; return the server of metrics."""
    for plural in ("canaries", "metrictemplates", "alertproviders"):
        api.put("customresourcedefinitions", of_cluster(manifest(f"crds/{plural}.yaml")))
    for name in ("routetables.gateway.solo.io", "virtualservices.gateway.solo.io", "upstreams.gloo.solo.io"):
        api.put("customresourcedefinitions", of_cluster({"metadata": {"name": name}, "spec": {}}))
    api.put("deployments", deployment("gloo", "quay.io/solo-io/gloo:1.18.2", gloo="gloo"))
    api.put("deployments", deployment("gateway-proxy", "quay.io/solo-io/gloo-envoy:1.18.2", gloo="gateway-proxy"))
    api.put("settings", {"metadata": {"name": "default", "namespace": GLOO}, "spec": {"discoveryNamespace": GLOO}})
    install_serin(api)
    api.put("canaries", idle_canary())
    api.put("routetables", route_table())
    api.put("virtualservices", virtual_service("podinfo"))
    prometheus = Prometheus()
    api.answers = {
        "GET /version": lambda *_: web.json_response({"gitVersion": "v1.34.1"}),
        "POST /apis/authorization.k8s.io/v1/subjectaccessreviews": lambda *_: allowed(is_allowed=True),
        "POST /apis/flagger.app/v1beta1/namespaces/gloo-system/canaries": lambda *_: status(400, "", DENIED),
        PROXY: prometheus,
    }
    return prometheus


def install_serin(api: ClusterApi) -> None:
    api.put("deployments", running(manifest("agent/deployment.yaml")))
    api.put("deployments", running(manifest("webhook/deployment.yaml"), ready=2))
    api.put("leases", lease("serin-agent"))
    ca = bundle()
    for kind in ("Mutating", "Validating"):
        found = of_cluster(manifest("webhook/configurations.yaml", f"{kind}WebhookConfiguration"))
        for entry in found["webhooks"]:
            entry["clientConfig"]["caBundle"] = ca
        api.put(f"{kind.lower()}webhookconfigurations", found)
    labels = {"kubernetes.io/service-name": "serin-webhook"}
    endpoints = [{"conditions": {"ready": True}}, {"conditions": {"ready": True}}]
    slice_ = {"metadata": {"name": "serin-webhook-x", "namespace": GLOO, "labels": labels}, "endpoints": endpoints}
    api.put("endpointslices", slice_)


def allowed(*, is_allowed: bool) -> web.Response:
    return web.json_response({"status": {"allowed": is_allowed}}, status=201)


def review(body: bytes) -> Object:
    found: Object = json.loads(body)["spec"]["resourceAttributes"]
    return found
