"""A release of the chart on a real cluster, from its installation to its end: the users' requests never notice."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts import CHARTS
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.load import initialize
from tests.support.registry import registry
from tests.support.releases import (
    GUIDE,
    HERE,
    NAMESPACE,
    SERIN,
    Helm,
    admission_answers,
    no_request_is_lost,
    wait_until_rolled_out,
)
from tests.support.rollout import Rollouts, podinfo

RUN = {"interval": "2s", "stepWeight": 10}
KINDS_OF_CRDS = {"canaries": "Canary", "metrictemplates": "MetricTemplate", "alertproviders": "AlertProvider"}
GENERATED = (
    ("deployment", "app-primary"),
    ("service", "app"),
    ("service", "app-canary"),
    ("service", "app-primary"),
    ("routetable", "app"),
)
OLD = yaml.safe_load_all((Path(__file__).parent / "serin-0.1.0.yaml").read_text())


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@pytest.fixture
def helm(cluster: Cluster, tmp_path: Path) -> Helm:
    return Helm(cluster, 4, tmp_path)


def serve_a_bystander(rollouts: Rollouts) -> str:
    """Have the gateway serve an application that has no canary; gives the first part of its host."""
    host = f"bystander-{rollouts.namespace}"
    ref = {"name": "bystander", "namespace": rollouts.namespace}
    route = {"matchers": [{"prefix": "/"}], "routeAction": {"single": {"kube": {"ref": ref, "port": 9898}}}}
    virtual_host = {"domains": [f"{host}.example.com"], "routes": [route]}
    ports = [{"name": "http", "port": 9898, "targetPort": "http"}]
    rollouts.apply(
        podinfo("bystander"),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "bystander"},
            "spec": {"selector": {"app": "bystander"}, "ports": ports},
        },
        {
            "apiVersion": "gateway.solo.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "bystander"},
            "spec": {"virtualHost": virtual_host},
        },
    )

    def is_served() -> bool:
        asked = ("-H", f"Host: {host}.example.com", "http://gateway-proxy.gloo-system/")
        code = rollouts.cluster.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *asked)
        return code == "200"

    rollouts.wait_for("the bystander is served", is_served)
    return host


def arguments_of_agent(cluster: Cluster) -> list[str]:
    """Return the arguments of the pods that are there, each once."""
    pods = ("-n", NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/name=serin-agent")
    return cluster.kubectl(*pods, "-o", "jsonpath={.items[*].spec.containers[0].args}").split('"')


def owners(cluster: Cluster, kind: str, *names: str) -> dict[str, str]:
    """Return which release each object belongs to."""
    found = cluster.kubectl("get", kind, *names, "-o", "json")
    items = yaml.safe_load(found).get("items") or [yaml.safe_load(found)]
    key = "meta.helm.sh/release-name"
    return {one["metadata"]["name"]: (one["metadata"].get("annotations") or {}).get(key, "") for one in items}


def crd_names() -> list[str]:
    return [f"{plural}.flagger.app" for plural in KINDS_OF_CRDS]


def authorities(cluster: Cluster) -> set[str]:
    """Return the certificates by which the API server knows the webhook."""
    kinds = "mutatingwebhookconfiguration,validatingwebhookconfiguration"
    found = cluster.kubectl("get", kinds, "-o", "jsonpath={.items[*].webhooks[*].clientConfig.caBundle}").split()
    entries = cluster.kubectl("get", kinds, "-o", "jsonpath={.items[*].webhooks[*].name}").split()
    assert len(found) == len(entries)
    return set(found)


def steps(rollouts: Rollouts) -> list[str]:
    return [text for _, text in rollouts.events("app") if text.startswith("Advance")]


def begin_run(rollouts: Rollouts, tag: str) -> None:
    """Set an image, and wait until the canary side has some of the traffic."""
    rollouts.set_image("app", tag)
    rollouts.wait_for(f"{tag} has traffic", lambda: rollouts.weights("app")[1] >= 20)


def assert_serves_on_alone(rollouts: Rollouts, cluster: Cluster) -> None:
    """Nothing of Serin is there but its CRDs; what it made is."""
    left = cluster.kubectl("-n", NAMESPACE, "get", "deployments,services", "-o", "name").split()
    assert left == ["deployment.apps/gateway-proxy", "service/gateway-proxy"]
    for kind, name in GENERATED:
        assert rollouts.get(kind, name), f"{kind}/{name}"
    assert rollouts.status("app")["phase"] == "Succeeded"
    assert len(cluster.kubectl("get", "crd", *crd_names(), "-o", "name").split()) == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("--set=gloo.namespace=edge", 'gloo.namespace: found "edge", which has neither a Service gateway-proxy nor'),
        ("--set=leaderElection.replicaCount=two", "at '/leaderElection/replicaCount': got string, want"),
        ("--set=meshProvider=istio", "at '/meshProvider': 'istio' does not match pattern"),
        ("--set=podMonitor.enabled=true", "this cluster has no CRD prometheusrules.monitoring.coreos.com"),
    ],
)
def test_what_can_not_work_changes_nothing(helm: Helm, cluster: Cluster, values: str, said: str) -> None:
    assert said in helm.refusal("upgrade", "-i", "serin", SERIN, *GUIDE, values)
    assert "serin" not in helm("list", "--all-namespaces")
    kinds = "crd,clusterroles,mutatingwebhookconfigurations,validatingadmissionpolicies"
    assert "serin" not in cluster.kubectl("get", kinds, "-o", "name")
    assert "serin" not in cluster.kubectl(
        "-n", NAMESPACE, "get", "deployments,services,secrets,serviceaccounts", "-o", "name"
    )


def test_the_guides_own_line_and_all_that_may_follow(
    helm: Helm, rollouts: Rollouts, cluster: Cluster, tmp_path: Path
) -> None:
    bystander = serve_a_bystander(rollouts)
    with no_request_is_lost(cluster, bystander, "install"):
        told = helm("upgrade", "-i", "serin", SERIN, *GUIDE, *HERE)
        assert "helm test serin --namespace gloo-system" in told
        helm("upgrade", "-i", "flagger-loadtester", str(CHARTS / "loadtester"), f"--namespace={rollouts.namespace}")
        tested = helm("test", "serin", f"--namespace={NAMESPACE}", "--logs")
        tester = helm("test", "flagger-loadtester", f"--namespace={rollouts.namespace}")
    assert "webhook: it refuses an empty Canary" in tested
    assert "flagger-loadtester-test" in tester
    assert tester.count("Succeeded") == 1
    initialize(rollouts, RUN)
    change_values_in_mid_run(helm, rollouts, cluster)
    other = f"--namespace={rollouts.namespace}"
    assert (
        "serin-agent belongs to the release serin in the namespace gloo-system; allowed: one release in a cluster"
        in (helm.refusal("upgrade", "-i", "second", SERIN, other))
    )
    assert "second" not in helm("list", "--all-namespaces")
    with no_request_is_lost(cluster, rollouts.namespace, "rollback"):
        helm("rollback", "serin", "1", f"--namespace={NAMESPACE}")
        wait_until_rolled_out(cluster)
    assert "--log-level=info" in arguments_of_agent(cluster)
    uninstall(helm, rollouts, cluster, "uninstall")
    install_over_what_is_left(helm, rollouts, cluster, tmp_path)


def change_values_in_mid_run(helm: Helm, rollouts: Rollouts, cluster: Cluster) -> None:
    before = authorities(cluster)
    changed = (*GUIDE, *HERE, "--set=logLevel=debug")
    with no_request_is_lost(cluster, rollouts.namespace, "run with upgrade"):
        begin_run(rollouts, "3.1.1")
        with admission_answers(cluster, rollouts.namespace):
            helm("upgrade", "-i", "serin", SERIN, *changed)
            wait_until_rolled_out(cluster)
        assert rollouts.status("app")["phase"] != "Failed"
        rollouts.wait_for_phase("app", "Succeeded")
    assert "--log-level=debug" in arguments_of_agent(cluster)
    assert authorities(cluster) == before
    name = f"app.{rollouts.namespace}"
    assert steps(rollouts) == [f"Advance {name} canary weight {weight}" for weight in (10, 20, 30, 40, 50)]
    assert rollouts.tags_of_primary("app") == {"3.1.0", "3.1.1"}


def uninstall(helm: Helm, rollouts: Rollouts, cluster: Cluster, phase: str) -> None:
    with no_request_is_lost(cluster, rollouts.namespace, phase):
        told = helm("uninstall", "serin", f"--namespace={NAMESPACE}", "--wait")
        rollouts.set_image("app", "3.1.2")  # which nobody marks, and nobody refuses
        pods = ("-n", NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/instance=serin", "-o", "name")
        rollouts.wait_for("its pods are gone", lambda: not cluster.kubectl(*pods))
    assert "[CustomResourceDefinition] canaries.flagger.app" in told
    assert_serves_on_alone(rollouts, cluster)


def install_over_what_is_left(helm: Helm, rollouts: Rollouts, cluster: Cluster, folder: Path) -> None:
    """From a registry: the CRDs are the release's again, and what was applied meanwhile is rolled out."""
    helm("package", SERIN, f"--destination={folder}")
    with registry(folder / "registry") as address:
        helm("push", str(folder / "serin-0.2.0.tgz"), f"oci://{address}/charts", "--plain-http")
        pulled = ("upgrade", "-i", "serin", f"oci://{address}/charts/serin", "--version=0.2.0", "--plain-http")
        with no_request_is_lost(cluster, rollouts.namespace, "install again"):
            told = helm(*pulled, *GUIDE, *HERE)
            rollouts.wait_for("3.1.2 is promoted", lambda: "3.1.2" in rollouts.tags_of_primary("app"))
            rollouts.wait_for_phase("app", "Succeeded")
    assert "CRDs were here" not in told
    assert set(owners(cluster, "crd", *crd_names()).values()) == {"serin"}


def flaggers_crd(plural: str) -> dict[str, Any]:
    """Return a CRD as Flagger's chart installs it, less most fields; it drops what Serin stores."""
    kind = KINDS_OF_CRDS[plural]
    status = {"type": "object", "properties": {"phase": {"type": "string"}, "canaryWeight": {"type": "number"}}}
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": free, "status": status}}}
    version = {"name": "v1beta1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": schema}
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.flagger.app"},
        "spec": {"group": "flagger.app", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def test_helm_3_installs_beside_flaggers_crds_and_takes_them_when_told(
    rollouts: Rollouts, cluster: Cluster, tmp_path: Path
) -> None:
    helm = Helm(cluster, 3, tmp_path)
    bystander = serve_a_bystander(rollouts)
    cluster.kubectl("create", "-f", "-", stdin=yaml.safe_dump_all(map(flaggers_crd, KINDS_OF_CRDS)))
    with no_request_is_lost(cluster, bystander, "helm 3: install"):
        told = " ".join(helm("upgrade", "-i", "serin", SERIN, *GUIDE, *HERE).split())
        wait_until_rolled_out(cluster)
    assert "they are Flagger's, which drop what Serin stores" in told
    assert "--reuse-values --take-ownership --set crd.adopt=true" in told
    assert set(owners(cluster, "crd", *crd_names()).values()) == {""}
    with no_request_is_lost(cluster, bystander, "helm 3: upgrade"):
        taken = ("--reuse-values", "--take-ownership", "--set=crd.adopt=true")
        told = helm("upgrade", "serin", SERIN, f"--namespace={NAMESPACE}", *taken)
    assert "CRDs were here" not in told
    assert set(owners(cluster, "crd", *crd_names()).values()) == {"serin"}
    initialize(rollouts)
    with no_request_is_lost(cluster, rollouts.namespace, "helm 3: run"):
        rollouts.roll_out("app", "3.1.1")
    uninstall(helm, rollouts, cluster, "helm 3: uninstall")


def named(one: dict[str, Any]) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


def test_what_kubectl_applied_of_0_1_0_becomes_a_release(helm: Helm, rollouts: Rollouts, cluster: Cluster) -> None:
    old = list(OLD)
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(old))
    initialize(rollouts, RUN)
    said = helm.refusal("upgrade", "-i", "serin", SERIN, *GUIDE, *HERE)
    flags = ("--take-ownership", "--force-conflicts", "--set", "crd.adopt=true")
    assert f"Serin was installed by kubectl; allowed: to take all of it over, by {' '.join(flags)}" in said
    assert set(owners(cluster, "crd", *crd_names()).values()) == {""}
    with no_request_is_lost(cluster, rollouts.namespace, "from kustomize"):
        begin_run(rollouts, "3.1.1")
        helm("upgrade", "-i", "serin", SERIN, *GUIDE, *HERE, *flags)
        wait_until_rolled_out(cluster)
        rollouts.wait_for_phase("app", "Succeeded")
    assert rollouts.tags_of_primary("app") == {"3.1.0", "3.1.1"}
    assert rollouts.condition("app", "Ready")["status"] == "True"
    found = yaml.safe_load(cluster.kubectl("get", "-f", "-", "-o", "json", stdin=yaml.safe_dump_all(old)))["items"]
    foreign = {named(one) for one in found if "meta.helm.sh/release-name" not in one["metadata"]["annotations"]}
    # The sandbox has its Prometheus configured otherwise, so its ConfigMap has another name.
    config = {name for name in foreign if name.startswith("ConfigMap/flagger-prometheus-")}
    assert len(config) == 1
    assert foreign - config == {"ClusterRole/serin-webhook-ca", "ClusterRoleBinding/serin-webhook-ca"}
    upgrades = (REPOSITORY / "docs" / "operating" / "helm.md").read_text()
    assert "kubectl delete clusterrolebinding,clusterrole serin-webhook-ca" in upgrades
