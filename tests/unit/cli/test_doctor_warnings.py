"""`serin doctor`: what is told without being a fault, what may not be read, and what is waited for."""

import json
from collections.abc import Callable

import pytest
import yaml
from aiohttp import web

from cli.doctor.checks.rights import NEEDED
from tests.support.cluster import REPOSITORY
from tests.unit.cli.cluster_api import ClusterApi, status
from tests.unit.cli.conftest import Serin
from tests.unit.cli.installed import (
    GLOO,
    Prometheus,
    bundle,
    deployment,
    idle_canary,
    install,
    lease,
    manifest,
    of_cluster,
    running,
    shard_the_agent,
    virtual_service,
)

Break = Callable[[ClusterApi, Prometheus], None]
ADDRESS = "http://flagger-prometheus.gloo-system:9090"


def told(serin: Serin, *options: str) -> list[str]:
    """What is not ok: verdict, check, words and commands in one line each."""
    ran = serin("doctor", "-A", "-o", "json", *options)
    assert (ran.code, ran.stderr) == (0, ""), ran
    said = json.loads(ran.stdout)
    return [
        " | ".join([one["verdict"], one["check"], one["found"], *one["mend"]])
        for one in said["findings"]
        if one["verdict"] != "ok"
    ]


def strict_gloo(api: ClusterApi, _: Prometheus) -> None:
    spec = {"gateway": {"validation": {"alwaysAccept": False, "allowWarnings": False}}}
    api.put("settings", {"metadata": {"name": "default", "namespace": GLOO}, "spec": spec})


def glooing_webhook(api: ClusterApi, _: Prometheus) -> None:
    service = {"name": "gloo", "namespace": GLOO}
    rules = [{"apiGroups": ["gateway.solo.io", "gloo.solo.io"]}]
    entry = {"failurePolicy": "Fail", "clientConfig": {"service": service}, "rules": rules}
    obj = {"metadata": {"name": "gloo-gateway-validation-webhook-gloo-system"}, "webhooks": [entry]}
    api.put("validatingwebhookconfigurations", of_cluster(obj))


def nobody_leads_there(api: ClusterApi, _: Prometheus) -> None:
    api.put("virtualservices", virtual_service("another"))


def no_control_plane(api: ClusterApi, _: Prometheus) -> None:
    api.delete("deployments", "gloo", GLOO)


def no_webhook(api: ClusterApi, _: Prometheus) -> None:
    api.delete("deployments", "serin-webhook", GLOO)
    for kind in ("mutating", "validating"):
        api.delete(f"{kind}webhookconfigurations", "serin-webhook", "")


def bundle_that_ends(api: ClusterApi, _: Prometheus) -> None:
    ends = bundle(left_days=5)
    for kind in ("mutating", "validating"):
        found = api.get(f"{kind}webhookconfigurations", "serin-webhook", "")
        for entry in found["webhooks"]:
            entry["clientConfig"]["caBundle"] = ends
        found["metadata"]["annotations"] = {"cert-manager.io/inject-ca-from": "gloo-system/serin-webhook"}
        api.put(f"{kind}webhookconfigurations", found)


def no_gateway_namespaces(api: ClusterApi, _: Prometheus) -> None:
    agent = running(manifest("agent/deployment.yaml"))
    args = agent["spec"]["template"]["spec"]["containers"][0]["args"]
    args[:] = [one for one in args if not one.startswith("--gateway-namespaces")]
    api.put("deployments", agent)


def nothing_of_the_canary_side(_: ClusterApi, prometheus: Prometheus) -> None:
    del prometheus.clusters["test-podinfo-canaryupstream-9898_test"]


def older_crd(api: ClusterApi, _: Prometheus) -> None:
    crd = of_cluster(manifest("crds/canaries.yaml"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["analysis"].pop("x-kubernetes-preserve-unknown-fields")
    del spec["properties"]["analysis"]["properties"]["drainSeconds"]
    api.put("customresourcedefinitions", crd)


def suspended(api: ClusterApi, _: Prometheus) -> None:
    said = {"type": "Ready", "status": "False", "reason": "Suspended", "message": "spec.suspend is true"}
    found = idle_canary()
    api.put("canaries", {**found, "status": {**found["status"], "conditions": [said]}})


def untrusted_lease(api: ClusterApi, _: Prometheus) -> None:
    api.put("leases", lease("flagger-leader-election", "shop"))


def another_number_of_shards(api: ClusterApi, _: Prometheus) -> None:
    shard_the_agent(api)
    api.put("leases", lease("serin-agent", holder="2 leaders"))


def an_older_version(api: ClusterApi, _: Prometheus) -> None:
    shard_the_agent(api)
    api.put("leases", lease("serin-agent", holder="3 shards"))


def shards_that_were(api: ClusterApi, _: Prometheus) -> None:
    api.put("leases", lease("serin-agent", holder="2 leaders"))


SELECTED = (
    "sum(increase(envoy_cluster_upstream_rq_total{envoy_cluster_name=~"
    '"test-podinfo-canaryupstream-9898_test|kube-upstream_test-podinfo-canaryupstream-9898_test_test_podinfo-canary_9898"'
    ',kubernetes_namespace=~"gloo-system|",namespace=~"gloo-system|"}[60s]))'
)
OTHER_SHARDS = (
    "agent | Lease gloo-system/serin-agent: held by %s, so pods with --shards=%d wait until those of another number "
    "or version are gone | kubectl -n gloo-system get pods -l app.kubernetes.io/name=serin-agent"
)
WARNINGS: list[tuple[Break, str]] = [
    (another_number_of_shards, OTHER_SHARDS % ("2 leaders", 3)),
    (an_older_version, OTHER_SHARDS % ("3 shards", 3)),
    (shards_that_were, OTHER_SHARDS % ("2 leaders", 1)),
    (
        strict_gloo,
        (
            "gloo | Settings gloo-system/default allowWarnings is false: while anybody's route has a warning, "
            "weights are "
            "refused, rollbacks too | kubectl -n gloo-system patch settings.gloo.solo.io default --type=merge -p "
            '\'{"spec": {"gateway": {"validation": {"allowWarnings": true}}}}\''
        ),
    ),
    (
        glooing_webhook,
        (
            "gloo | validation webhook gloo-gateway-validation-webhook-gloo-system has failurePolicy Fail: "
            "while Gloo is "
            "away a rollback can't be written | kubectl patch validatingwebhookconfiguration "
            "gloo-gateway-validation-webhook-gloo-system --type=json -p "
            '\'[{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]\''
        ),
    ),
    (
        nobody_leads_there,
        (
            "routes | no VirtualService leads to 1 RouteTable (test/podinfo): nobody reaches the canary | "
            "kubectl -n test apply -f manifests/examples/podinfo-virtualservice.yaml"
        ),
    ),
    (
        no_control_plane,
        (
            "gloo | found no Deployment gloo in gloo-system: is its control plane elsewhere? | "
            "kubectl get deployments -A -l gloo=gloo"
        ),
    ),
    (
        no_webhook,
        (
            "webhook | not installed: faulty Canaries are stored, and no revision has a note who applied it | "
            "kubectl apply -k manifests/webhook"
        ),
    ),
    (
        bundle_that_ends,
        (
            "webhook | the authority's certificate ends soon, in 5 days | "
            "kubectl -n cert-manager rollout restart deployment/cert-manager-cainjector"
        ),
    ),
    (
        no_gateway_namespaces,
        (
            "agent | --gateway-namespaces is not set: the builtin checks count what any pod exports | "
            'kubectl -n gloo-system patch deployment serin-agent --type=json -p \'[{"op": "add", "path": '
            '"/spec/template/spec/containers/0/args/-", "value": "--gateway-namespaces=gloo-system"}]\''
        ),
    ),
    (nothing_of_the_canary_side, f"prometheus | 0 series for the canary side of 1 canary (test/podinfo): {SELECTED}"),
    (
        older_crd,
        (
            "crds | canaries.flagger.app is older than this command, and drops spec.analysis.drainSeconds | "
            "kubectl apply -k manifests/crds"
        ),
    ),
    (suspended, "canaries | Suspended: test/podinfo: spec.suspend is true | kubectl -n test describe canary podinfo"),
    (
        untrusted_lease,
        "flagger | Lease shop/flagger-leader-election is held; Serin does not stand still for a Flagger there",
    ),
]


@pytest.mark.parametrize(("broken", "line"), WARNINGS, ids=lambda one: getattr(one, "__name__", ""))
def test_what_may_not_last_is_a_warning(api: ClusterApi, serin: Serin, broken: Break, line: str) -> None:
    broken(api, install(api))
    assert [_undated(one) for one in told(serin)] == [f"warning | {line}"]


def _undated(line: str) -> str:
    before, ends, after = line.partition(" ends 20")
    return f"{before} ends soon{after[8:]}" if ends else line


@pytest.mark.parametrize(
    ("refused", "line"),
    [
        ("customresourcedefinitions", "crds | canaries.flagger.app: you may not get customresourcedefinitions"),
        ("settings", "gloo | Gloo's Settings: you may not list settings in all namespaces"),
        ("routetables", "routes | RouteTables: you may not list routetables in all namespaces"),
        (
            "virtualservices",
            "routes | which VirtualServices lead to canaries: you may not list virtualservices in all namespaces",
        ),
        ("metrictemplates", "queries | queries of MetricTemplates: you may not list metrictemplates in all namespaces"),
        ("canaries", "canaries | canaries: you may not list canaries in all namespaces"),
        ("leases", "agent | Lease gloo-system/serin-agent: you may not get leases in namespace gloo-system"),
        (
            "endpointslices",
            (
                "webhook | the endpoints of Service gloo-system/serin-webhook: you may not list endpointslices "
                "in namespace "
                "gloo-system"
            ),
        ),
        ("deployments", "agent | the agent's Deployment: you may not list deployments in namespace gloo-system"),
    ],
)
def test_what_may_not_be_read_is_not_checked(api: ClusterApi, serin: Serin, refused: str, line: str) -> None:
    install(api)
    api.refused.add(refused)
    assert f"not checked | {line}" in told(serin)


def test_rights_that_a_check_needs_beyond_reading_are_named(api: ClusterApi, serin: Serin) -> None:
    install(api)
    for path in [one for one in api.answers if one.startswith(("POST", "GET /api"))]:
        api.answers[path] = lambda *_: status(403, "Forbidden", "forbidden")
    assert told(serin) == [
        (
            "not checked | rights | what system:serviceaccount:gloo-system:serin-agent may: you may not create "
            "subjectaccessreviews | kubectl auth can-i --list --as=system:serviceaccount:gloo-system:serin-agent"
        ),
        (
            "not checked | webhook | whether it answers: you may not create canaries in namespace gloo-system, "
            "not even as "
            "a dry run"
        ),
        (
            f"not checked | prometheus | {ADDRESS}: you may not get services/proxy in namespace gloo-system | "
            "kubectl -n gloo-system port-forward deployment/flagger-prometheus 9090"
        ),
    ]


def test_the_rights_are_those_of_the_agents_role() -> None:
    role = next(
        one
        for one in yaml.safe_load_all((REPOSITORY / "manifests/rbac/agent/cluster-role.yaml").read_text())
        if one["kind"] == "ClusterRole"
    )
    shipped = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {(group, resource, verb) for group, resource, verbs in NEEDED for verb in verbs.split()} == shipped


def test_flags_of_the_agent_are_heeded(api: ClusterApi, serin: Serin) -> None:
    install(api)
    agent = running(manifest("agent/deployment.yaml"))
    args = agent["spec"]["template"]["spec"]["containers"][0]["args"]
    args += ["--enable-leader-election=false", "--flagger-namespace=tools", "--flagger-namespace=shop"]
    api.put("deployments", agent)
    api.delete("leases", "serin-agent", GLOO)
    assert told(serin) == []
    api.put("deployments", deployment("flagger", "ghcr.io/fluxcd/flagger:1.44.0", "tools", app="flagger"))
    ran = serin("doctor", "-A", "--context", "prod")
    assert ran.code == 1
    assert "Flagger runs (tools/flagger): Serin stands still for it, in every canary" in ran.stdout
    assert "$ kubectl --context prod -n tools scale deployment/flagger --replicas=0\n" in ran.stdout


def test_it_waits_until_there_is_no_fault(api: ClusterApi, serin: Serin, monkeypatch: pytest.MonkeyPatch) -> None:
    prometheus = install(api)
    prometheus.is_down = True
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)
        prometheus.is_down = False

    monkeypatch.setattr("cli.doctor.command.asyncio.sleep", sleep)
    ran = serin("doctor", "-A", "--wait")
    assert (ran.code, ran.stderr) == (0, "serin: waiting: prometheus\n")
    assert slept[-1] == 2.0
    ran = serin("doctor", "--wait", "--timeout", "soon")
    assert ran == (2, "", "serin: --timeout: found 'soon'; allowed: a duration such as 30s or 1h30m\n")


def test_an_api_server_that_is_away_is_one_line(api: ClusterApi, serin: Serin) -> None:
    api.answers["GET /version"] = lambda *_: status(401, "Unauthorized", "Unauthorized")
    ran = serin("doctor")
    assert ran.code == 6
    assert ran.stderr.endswith("does not know who you are (401): log in again, as for kubectl\n")
    assert ran.stderr.count("\n") == 1


def test_a_cluster_without_anything_is_told(api: ClusterApi, serin: Serin) -> None:
    api.answers["GET /version"] = lambda *_: web.json_response({"gitVersion": "v1.34.1"})
    api.unserved |= {"canaries", "metrictemplates", "routetables", "virtualservices", "settings"}
    ran = serin("doctor", "-o", "json")
    assert ran.code == 1
    faults = [one["found"] for one in json.loads(ran.stdout)["findings"] if one["verdict"] == "fault"]
    assert faults == [
        "not there: canaries.flagger.app, metrictemplates.flagger.app, alertproviders.flagger.app",
        "CRDs not there: routetables.gateway.solo.io, virtualservices.gateway.solo.io, upstreams.gloo.solo.io",
        "found no Deployment of the agent",
    ]
