"""One thing wrong with a cluster at a time: what `serin doctor` tells, and the commands that mend it."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.installed import (
    CLUSTERS,
    GLOO,
    Prometheus,
    allowed,
    bundle,
    deployment,
    idle_canary,
    lease,
    manifest,
    of_cluster,
    review,
    route_table,
    running,
    shard_the_agent,
)

PATCH_ARGS = '[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "%s"}]'
Break = Callable[[ClusterApi, Prometheus], None]


def old_kubernetes(api: ClusterApi, _: Prometheus) -> None:
    api.answers["GET /version"] = lambda *_: web.json_response({"gitVersion": "v1.29.9+k3s1"})


def no_crd(api: ClusterApi, _: Prometheus) -> None:
    api.delete("customresourcedefinitions", "alertproviders.flagger.app", "")


def flaggers_crd(api: ClusterApi, _: Prometheus) -> None:
    crd = of_cluster(manifest("crds/canaries.yaml"))
    status_schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]
    status_schema.pop("x-kubernetes-preserve-unknown-fields", None)
    status_schema["properties"].pop("serin", None)
    api.put("customresourcedefinitions", crd)


def no_agent(api: ClusterApi, _: Prometheus) -> None:
    api.delete("deployments", "serin-agent", GLOO)


def agent_at_zero(api: ClusterApi, _: Prometheus) -> None:
    api.put("deployments", {**manifest("agent/deployment.yaml"), "status": {}} | {"spec": _spec(replicas=0)})


def _spec(**changes: Any) -> Object:
    return {**manifest("agent/deployment.yaml")["spec"], **changes}


def crashing_agent(api: ClusterApi, _: Prometheus) -> None:
    api.put("deployments", running(manifest("agent/deployment.yaml")) | {"status": {}})
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    labels = {"app.kubernetes.io/name": "serin-agent"}
    pod = {"metadata": {"name": "serin-agent-x", "namespace": GLOO, "labels": labels}}
    api.put("pods", {**pod, "status": {"containerStatuses": [waiting]}})


def agent_of_another_namespace(api: ClusterApi, _: Prometheus) -> None:
    agent = running(manifest("agent/deployment.yaml"))
    agent["spec"]["template"]["spec"]["containers"][0]["args"].append("--namespace=shop")
    api.put("deployments", agent)
    api.put("leases", lease("serin-agent-shop"))


def old_lease(api: ClusterApi, _: Prometheus) -> None:
    api.put("leases", lease("serin-agent", age_s=600))


def released_lease(api: ClusterApi, _: Prometheus) -> None:
    api.put("leases", lease("serin-agent", holder=""))


def shard_without_leader(api: ClusterApi, _: Prometheus) -> None:
    shard_the_agent(api)
    api.put("leases", lease("serin-agent.shard-1", holder=""))


def fewer_rights(api: ClusterApi, _: Prometheus) -> None:
    def answer(__: web.Request, body: bytes) -> web.Response:
        asked, missing = review(body), {("routetables", "patch"), ("secrets", "get")}
        return allowed(is_allowed=(asked["resource"], asked["verb"]) not in missing)

    api.answers["POST /apis/authorization.k8s.io/v1/subjectaccessreviews"] = answer


def no_endpoints(api: ClusterApi, _: Prometheus) -> None:
    found = api.get("endpointslices", "serin-webhook-x", GLOO)
    api.put("endpointslices", {**found, "endpoints": [{"conditions": {"ready": False}}]})


def webhook_at_zero(api: ClusterApi, _: Prometheus) -> None:
    found = manifest("webhook/deployment.yaml")
    found["spec"]["replicas"] = 0
    api.put("deployments", found)


def _configure(api: ClusterApi, change: Callable[[Object], None]) -> None:
    found = api.get("validatingwebhookconfigurations", "serin-webhook", "")
    change(found["webhooks"][0])
    api.put("validatingwebhookconfigurations", found)


def no_bundle(api: ClusterApi, _: Prometheus) -> None:
    _configure(api, lambda entry: entry["clientConfig"].pop("caBundle"))


def another_bundle(api: ClusterApi, _: Prometheus) -> None:
    _configure(api, lambda entry: entry["clientConfig"].update(caBundle=bundle()))


def ended_bundle(api: ClusterApi, _: Prometheus) -> None:
    ended = bundle(left_days=-3)
    for kind in ("mutating", "validating"):
        found = api.get(f"{kind}webhookconfigurations", "serin-webhook", "")
        for entry in found["webhooks"]:
            entry["clientConfig"]["caBundle"] = ended
        api.put(f"{kind}webhookconfigurations", found)


def deaf_webhook(api: ClusterApi, _: Prometheus) -> None:
    path = "POST /apis/flagger.app/v1beta1/namespaces/gloo-system/canaries"
    api.answers[path] = lambda *_: web.json_response({"metadata": {}}, status=201)


def prometheus_away(_: ClusterApi, prometheus: Prometheus) -> None:
    prometheus.is_down = True


def no_envoy_series(_: ClusterApi, prometheus: Prometheus) -> None:
    prometheus.names, prometheus.clusters = (), {}


def another_exporter(_: ClusterApi, prometheus: Prometheus) -> None:
    prometheus.clusters = dict.fromkeys(CLUSTERS, "edge")


def ended_certificate(_: ClusterApi, prometheus: Prometheus) -> None:
    prometheus.certificate_s = -60.0


def flagger_runs(api: ClusterApi, _: Prometheus) -> None:
    api.put("deployments", deployment("flagger", "ghcr.io/fluxcd/flagger:1.44.0", app="flagger"))


def flagger_elsewhere(api: ClusterApi, _: Prometheus) -> None:
    api.put("deployments", deployment("flagger", "ghcr.io/fluxcd/flagger:1.44.0", "tools", app="flagger"))


def flaggers_lease(api: ClusterApi, _: Prometheus) -> None:
    api.put("leases", lease("flagger-leader-election", "flagger-system", holder="flagger-x"))


def refused_route(api: ClusterApi, _: Prometheus) -> None:
    api.put("routetables", route_table(state="Rejected", reason="1 error occurred:\n\t* bad route"))


def no_route(api: ClusterApi, _: Prometheus) -> None:
    api.delete("routetables", "podinfo")


def no_gloo_crd(api: ClusterApi, _: Prometheus) -> None:
    api.delete("customresourcedefinitions", "upstreams.gloo.solo.io", "")


def gloo_down(api: ClusterApi, _: Prometheus) -> None:
    api.put("deployments", deployment("gloo", "quay.io/solo-io/gloo:1.18.2", ready=0, gloo="gloo"))


def old_gloo(api: ClusterApi, _: Prometheus) -> None:
    api.put("deployments", deployment("gloo", "quay.io/solo-io/gloo:1.5.9", gloo="gloo"))


def hidden_namespace(api: ClusterApi, _: Prometheus) -> None:
    spec = {"watchNamespaces": ["shop"]}
    api.put("settings", {"metadata": {"name": "default", "namespace": GLOO}, "spec": spec})


def not_ready(api: ClusterApi, _: Prometheus) -> None:
    said = {"type": "Ready", "status": "False", "reason": "TargetNotFound", "message": "spec.targetRef.name: \x1b[31m"}
    found = idle_canary()
    api.put("canaries", {**found, "status": {**found["status"], "conditions": [said]}})


def one_target(api: ClusterApi, _: Prometheus) -> None:
    second = idle_canary("second")
    second["spec"]["targetRef"]["name"] = "podinfo"
    api.put("canaries", second)


RENEW = "kubectl -n gloo-system rollout restart deployment/serin-webhook-authority"
FAULTS: list[tuple[Break, str, str, list[str]]] = [
    (old_kubernetes, "kubernetes", "found v1.29.9+k3s1; allowed: 1.30 or newer", ["kubectl version"]),
    (no_crd, "crds", "not there: alertproviders.flagger.app", ["kubectl apply -k manifests/crds"]),
    (
        flaggers_crd,
        "crds",
        "canaries.flagger.app is Flagger's: it drops status.serin, and canaries stand still (StatusNotStored)",
        ["kubectl apply -k manifests/crds"],
    ),
    (no_agent, "agent", "found no Deployment of the agent", ["kubectl apply -k manifests/default"]),
    (
        agent_at_zero,
        "agent",
        "gloo-system/serin-agent is scaled to 0",
        ["kubectl -n gloo-system scale deployment/serin-agent --replicas=1"],
    ),
    (
        crashing_agent,
        "agent",
        "gloo-system/serin-agent: 0 of 1 pods ready (serin-agent-x CrashLoopBackOff)",
        [
            "kubectl -n gloo-system describe pods -l app.kubernetes.io/name=serin-agent",
            "kubectl -n gloo-system logs deployment/serin-agent --previous --tail=20",
        ],
    ),
    (
        agent_of_another_namespace,
        "agent",
        "no agent looks after the canaries of test",
        [f"kubectl -n gloo-system patch deployment serin-agent --type=json -p '{PATCH_ARGS % '--namespace='}'"],
    ),
    (
        old_lease,
        "agent",
        "Lease gloo-system/serin-agent: held by serin-agent-7d9f_u1, renewed 60X s ago",
        ["kubectl -n gloo-system rollout restart deployment/serin-agent"],
    ),
    (
        released_lease,
        "agent",
        "Lease gloo-system/serin-agent: nobody holds it, so nothing is rolled out and nothing rolled back",
        ["kubectl -n gloo-system rollout restart deployment/serin-agent"],
    ),
    (
        shard_without_leader,
        "agent",
        "Lease gloo-system/serin-agent.shard-1: nobody holds it, so nothing is rolled out and nothing rolled back",
        ["kubectl -n gloo-system rollout restart deployment/serin-agent"],
    ),
    (
        fewer_rights,
        "rights",
        "system:serviceaccount:gloo-system:serin-agent may not get secrets, patch routetables",
        ["kubectl apply -k manifests/rbac"],
    ),
    (
        webhook_at_zero,
        "webhook",
        "gloo-system/serin-webhook is scaled to 0",
        ["kubectl -n gloo-system scale deployment/serin-webhook --replicas=2"],
    ),
    (
        no_endpoints,
        "webhook",
        "Service gloo-system/serin-webhook: 0 of 2 pods behind it",
        [
            "kubectl -n gloo-system describe pods -l app.kubernetes.io/name=serin-webhook",
            "kubectl -n gloo-system rollout restart deployment/serin-webhook",
        ],
    ),
    (no_bundle, "webhook", "an entry of its configurations has no caBundle: the API server can't ask it", [RENEW]),
    (another_bundle, "webhook", "its configurations have different caBundles", [RENEW]),
    (ended_bundle, "webhook", "the authority's certificate ended X", [RENEW]),
    (
        deaf_webhook,
        "webhook",
        "a faulty Canary (a dry run) was not refused: the API server can't reach it, or does not trust its certificate",
        [f"{RENEW} deployment/serin-webhook"],
    ),
    (
        prometheus_away,
        "prometheus",
        'http://flagger-prometheus.gloo-system:9090: no endpoints available for service "http:flagger-prometheus:9090"',
        [
            "kubectl -n gloo-system get service,endpointslices,pods",
            "kubectl -n gloo-system rollout restart deployment/flagger-prometheus",
        ],
    ),
    (
        another_exporter,
        "prometheus",
        "the series of 1 canary (test/podinfo) come from edge, which --gateway-namespaces=gloo-system leaves out",
        [
            (
                "kubectl -n gloo-system patch deployment serin-agent --type=json -p "
                f"'{PATCH_ARGS % '--gateway-namespaces=edge,gloo-system'}'"
            )
        ],
    ),
    (
        no_envoy_series,
        "prometheus",
        (
            "http://flagger-prometheus.gloo-system:9090 has no series envoy_cluster_upstream_rq_total: it does "
            "not scrape "
            "Gloo's proxies"
        ),
        [
            (
                "kubectl -n gloo-system get pods -l gloo=gateway-proxy -o jsonpath='{range .items[*]}{.metadata.name} "
                """{.metadata.annotations}{"\\n"}{end}'"""
            )
        ],
    ),
    (ended_certificate, "prometheus", "the webhook's certificate has ended", [RENEW]),
    (
        flagger_runs,
        "flagger",
        "Flagger runs (gloo-system/flagger): Serin stands still for it, in every canary",
        ["kubectl -n gloo-system scale deployment/flagger --replicas=0"],
    ),
    (
        flagger_elsewhere,
        "flagger",
        "Flagger runs (tools/flagger) and Serin does not stand still for it: both write the same canaries",
        ["kubectl -n tools scale deployment/flagger --replicas=0"],
    ),
    (
        flaggers_lease,
        "flagger",
        (
            "Lease flagger-system/flagger-leader-election is held by flagger-x: Serin stands still until it ends, five "
            "minutes at most"
        ),
        ["kubectl -n flagger-system delete lease flagger-leader-election"],
    ),
    (
        refused_route,
        "routes",
        "Gloo refuses test/podinfo: 1 error occurred: * bad route",
        ["kubectl -n test get routetable podinfo -o jsonpath='{.status}'"],
    ),
    (
        no_route,
        "routes",
        "no RouteTable of test/podinfo: the agent makes it, or says why not",
        ["kubectl -n gloo-system logs deployment/serin-agent --tail=50"],
    ),
    (
        no_gloo_crd,
        "gloo",
        "CRDs not there: upstreams.gloo.solo.io",
        [
            "helm repo add gloo https://storage.googleapis.com/solo-public-helm",
            "helm upgrade -i gloo gloo/gloo --namespace gloo-system --create-namespace",
        ],
    ),
    (
        gloo_down,
        "gloo",
        "gloo-system/gloo: 0 of 1 pods ready",
        ["kubectl -n gloo-system rollout restart deployment/gloo"],
    ),
    (
        old_gloo,
        "gloo",
        "found version 1.5.9; allowed: 1.6 or newer",
        ["helm upgrade gloo gloo/gloo --namespace gloo-system --reuse-values"],
    ),
    (
        hidden_namespace,
        "gloo",
        "Settings gloo-system/default watchNamespaces leaves out test: their routes are not served",
        [
            (
                "kubectl -n gloo-system patch settings.gloo.solo.io default --type=merge -p "
                '\'{"spec": {"watchNamespaces": ["shop", "test"]}}\''
            )
        ],
    ),
    (
        not_ready,
        "canaries",
        "TargetNotFound: test/podinfo: spec.targetRef.name: \N{REPLACEMENT CHARACTER}[31m",
        ["kubectl -n test describe canary podinfo"],
    ),
    (
        one_target,
        "canaries",
        "podinfo, second in test have one target, Deployment podinfo: one of them never runs",
        ["kubectl -n test delete canary second"],
    ),
]
