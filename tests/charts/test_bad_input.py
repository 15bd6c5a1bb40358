"""What is wrong is said in one clear line, before anything is changed: the path, what was found, what is allowed."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.charts import CHARTS, Json, helm, template
from tests.support.discovered import api_server


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"leaderElection": {"replicaCount": "two"}}, "at '/leaderElection/replicaCount': got string, want"),
        ({"leaderElection": {"replicaCount": 0}}, "at '/leaderElection/replicaCount': minimum: got 0, want 1"),
        ({"prometheus": {"install": "yes"}}, "at '/prometheus/install': got string, want"),
        ({"meshProvider": "istio"}, "at '/meshProvider': 'istio' does not match pattern '^(gloo)?$'"),
        (
            {"logLevel": "loud"},
            "at '/logLevel': 'loud' does not match pattern '^(debug|info|warn|warning|error|fatal|panic)$'",
        ),
        ({"selectorLabels": "app=podinfo"}, "at '/selectorLabels': 'app=podinfo' does not match pattern"),
        ({"includeLabelPrefix": "team*"}, "at '/includeLabelPrefix': 'team*' does not match pattern"),
        ({"webhook": {"replica": 3}}, "at '/webhook': additional properties 'replica' not allowed"),
        ({"images": {"serin": {"digest": "latest"}}}, "at '/images/serin/digest': 'latest' does not match"),
        ({"namespace": "My Shop"}, "at '/namespace': 'My Shop' does not match pattern"),
        ({"resources": {"limit": {}}}, "at '/resources': additional properties 'limit' not allowed"),
        ({"tolerations": {"key": "a"}}, "at '/tolerations': got object, want"),
        ({"metricsServer": "prometheus:9090"}, 'metricsServer: found "prometheus:9090"; allowed: an http:// or'),
        ({"slack": {"url": "hooks.slack.com/T0"}}, "slack.url: found another text; allowed: an http:// or https://"),
        ({"msteams": {"url": "teams.example/x"}}, "msteams.url: found another text; allowed: an http:// or https://"),
        ({"limits": {"runs": -1}}, "at '/limits/runs': minimum: got -1, want 0"),
        ({"limits": {"namespaceRuns": "4"}}, "at '/limits/namespaceRuns': got string, want"),
        ({"page": {"auth": "basic"}}, "at '/page/auth': 'basic' does not match pattern '^(none|token)?$'"),
        (
            {"page": {"auth": "token"}, "namespace": "gloo-system"},
            'page.auth: found token with namespace "gloo-system", the release\'s own; allowed: none',
        ),
        ({"shards": 17}, "at '/shards': maximum: got 17, want 16"),
        ({"shards": 3, "limits": {"runs": 2}}, "limits.runs: found 2 with shards 3; allowed: 0, or as many as shards"),
        ({"shards": 2, "namespace": "shop"}, 'shards: found 2 with namespace "shop"; allowed: 1'),
        ({"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}, "found true for both; allowed: one"),
    ],
)
def test_a_value_is_refused_by_its_path(values: Json, said: str) -> None:
    done = template(values=values)
    assert done.returncode != 0
    assert said in done.stderr
    assert "hooks.slack.com" not in done.stderr


def test_the_load_testers_values_are_refused_alike() -> None:
    done = template("loadtester", values={"service": {"port": "http"}})
    assert "at '/service/port': got string, want" in done.stderr


@pytest.mark.parametrize("version", [3, 4])
def test_an_old_kubernetes_is_refused(version: int) -> None:
    done = template(version=version, more=("--kube-version", "1.29.4"))
    assert done.returncode != 0
    assert "chart requires kubeVersion: >=1.30.0-0 which is incompatible with Kubernetes" in done.stderr


def crd(name: str, *, owner: str = "", has_serin: bool = False) -> Json:
    properties = {"status": {"properties": {"serin": {"type": "object"}}}} if has_serin else {}
    spec = {"versions": [{"name": "v1beta1", "schema": {"openAPIV3Schema": {"properties": properties}}}]}
    return named("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, owner=owner) | {"spec": spec}


def named(version: str, kind: str, name: str, *, owner: str = "", **metadata: str) -> Json:
    of_helm = {"meta.helm.sh/release-name": owner, "meta.helm.sh/release-namespace": "gloo-system"} if owner else {}
    labels = {"app.kubernetes.io/managed-by": "Helm"} if owner else {}
    found = {"name": name, "annotations": of_helm, "labels": labels, **metadata}
    return {"apiVersion": version, "kind": kind, "metadata": found}


GLOO = [
    named("v1", "Namespace", "kube-system"),
    crd("routetables.gateway.solo.io"),
    crd("upstreams.gloo.solo.io"),
    named("v1", "Service", "gateway-proxy", namespace="gloo-system"),
]
CRDS = ("canaries.flagger.app", "metrictemplates.flagger.app", "alertproviders.flagger.app")
FLAGGERS_CRDS = [crd(name) for name in CRDS]
# As it is, but for what only the operator's CRDs allow.
FLAGGERS_FILE = (f"--values={Path(__file__).parent / 'flagger-values.yaml'}", "--set=serviceMonitor.enabled=false")
ROLE = ("rbac.authorization.k8s.io/v1", "ClusterRole")


def install(
    folder: Path, objects: list[Json], *arguments: str, namespace: str = "gloo-system", chart: str = "serin"
) -> subprocess.CompletedProcess[str]:
    """Try a first installation on a cluster that has these objects; nothing is written."""
    with api_server(folder, objects) as kubeconfig:
        given = ("--namespace", namespace, "--dry-run=server", "--kubeconfig", str(kubeconfig), *arguments)
        release = "flagger-loadtester" if chart == "loadtester" else chart
        return helm("install", release, str(CHARTS / chart), "--disable-openapi-validation", *given)


def test_a_cluster_with_gloo_and_nothing_else_is_as_it_should_be(tmp_path: Path) -> None:
    done = install(tmp_path, GLOO)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\nkind: CustomResourceDefinition") == 3


@pytest.mark.parametrize(
    ("objects", "arguments", "said"),
    [
        (GLOO[:1], (), "this cluster has no CRD routetables.gateway.solo.io, so Gloo Edge is not installed"),
        (GLOO[:3], (), 'gloo.namespace: found "gloo-system", which has neither a Service gateway-proxy nor'),
        (GLOO, ("--set=gloo.namespace=edge",), 'gloo.namespace: found "edge", which has neither'),
        (
            [*GLOO, named(*ROLE, "serin-agent", owner="first")],
            (),
            "ClusterRole/serin-agent belongs to the release first in the namespace gloo-system; allowed: one release",
        ),
        (
            [*GLOO, named(*ROLE, "flagger-prometheus", owner="flagger")],
            ("--set=prometheus.install=true",),
            "prometheus.install: found true, and ClusterRole/flagger-prometheus belongs to the release flagger",
        ),
        (
            [*GLOO, named(*ROLE, "serin-agent")],
            ("--take-ownership",),
            "installed by kubectl; allowed: to take all of it over, by --take-ownership --force-conflicts --set",
        ),
        (
            GLOO,
            ("--set=webhook.certManager.enabled=true",),
            "has no CRD certificates.cert-manager.io; allowed: false, or",
        ),
        (
            GLOO,
            ("--set=podMonitor.enabled=true",),
            "has no CRD prometheusrules.monitoring.coreos.com; allowed: false, or",
        ),
    ],
)
def test_a_cluster_where_it_can_not_work_is_refused(
    tmp_path: Path, objects: list[Json], arguments: tuple[str, ...], said: str
) -> None:
    done = install(tmp_path, objects, *arguments)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("objects", "arguments"),
    [
        (GLOO[:1], ("--set=gloo.check=false",)),
        ([*GLOO, named(*ROLE, "serin-agent", owner="serin")], ()),
        ([*GLOO, named(*ROLE, "serin-agent")], ("--take-ownership", "--set=crd.adopt=true")),
        ([*GLOO, named(*ROLE, "flagger-prometheus", owner="flagger")], ()),
        ([*GLOO, *FLAGGERS_CRDS], ("--set=crd.create=false",)),
    ],
)
def test_what_only_looks_like_it_is_let_through(
    tmp_path: Path, objects: list[Json], arguments: tuple[str, ...]
) -> None:
    done = install(tmp_path, objects, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("crds", "arguments", "rendered"),
    [
        (FLAGGERS_CRDS, (), 0),
        ([], ("--set=crd.create=false",), 3),
        (FLAGGERS_CRDS, ("--set=crd.create=false",), 0),
        (FLAGGERS_CRDS, ("--set=crd.adopt=true", "--take-ownership"), 3),
        (FLAGGERS_CRDS, (*FLAGGERS_FILE, "--set=crd.adopt=true", "--take-ownership"), 3),
        ([crd(name, owner="serin") for name in CRDS], FLAGGERS_FILE, 3),
        ([crd(name, owner="flagger") for name in CRDS], (), 0),
        ([crd(name, owner="serin") for name in CRDS], (), 3),
        ([crd("metrictemplates.flagger.app")], (), 2),
    ],
)
def test_crds_of_somebody_else_are_left_as_they_are(
    tmp_path: Path, crds: list[Json], arguments: tuple[str, ...], rendered: int
) -> None:
    done = install(tmp_path, [*GLOO, *crds], *arguments)
    assert done.stdout.count("\nkind: CustomResourceDefinition") == rendered, done.stderr


@pytest.mark.parametrize(
    ("has_serin", "said"),
    [(False, "they are Flagger's, which drop what Serin stores"), (True, "they are Serin's, and not this release's")],
)
def test_notes_tell_whose_crds_they_are(tmp_path: Path, has_serin: bool, said: str) -> None:  # noqa: FBT001
    crds = [crd(name, has_serin=has_serin) for name in CRDS]
    told = render_notes(tmp_path, [*GLOO, *crds])
    assert said in " ".join(told.split())
    assert "--take-ownership --force-conflicts --set crd.adopt=true" in told
    assert "CRDs were here" not in render_notes(tmp_path, GLOO)


def test_notes_warn_until_flaggers_crds_are_taken_over(tmp_path: Path) -> None:
    there = [*GLOO, *FLAGGERS_CRDS]
    assert "ATTENTION" in render_notes(tmp_path, there, *FLAGGERS_FILE)
    assert "ATTENTION" not in render_notes(tmp_path, there, *FLAGGERS_FILE, "--set=crd.adopt=true", "--take-ownership")


def test_notes_tell_of_agents_that_would_write_to_the_same_canaries(tmp_path: Path) -> None:
    binding = ("rbac.authorization.k8s.io/v1", "RoleBinding")
    there = [*GLOO, named(*binding, "serin-agent", namespace="shop"), named(*binding, "team", namespace="shop")]
    assert "ATTENTION. Agents of single namespaces have rights in: shop." in render_notes(tmp_path, there)
    assert "single namespaces" not in render_notes(tmp_path, there, "--set=namespace=test")
    assert "single namespaces" not in render_notes(tmp_path, [*GLOO, there[-1]])
    told = render_notes(tmp_path, GLOO, "--set=namespace=shop", namespace="shop")
    assert "Run no agent for all namespaces beside it" in told


def test_an_agent_of_one_namespace_is_not_told_to_take_over_the_clusters_crds(tmp_path: Path) -> None:
    told = render_notes(tmp_path, [*GLOO, *FLAGGERS_CRDS], "--set=namespace=shop", namespace="shop")
    assert "crd.adopt" not in told
    assert "CRDs, policies and the webhook" in told


def render_notes(folder: Path, objects: list[Json], *arguments: str, namespace: str = "gloo-system") -> str:
    done = install(folder, objects, *arguments, namespace=namespace)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:")[2]


def test_an_agent_of_one_namespace_asks_nothing_of_the_cluster(tmp_path: Path) -> None:
    done = install(tmp_path, GLOO[:1], "--set=namespace=shop", namespace="shop")
    assert done.returncode == 0, done.stderr
    done = install(tmp_path, GLOO[:1], "--set=namespace=shop,prometheus.install=true", namespace="shop")
    assert 'prometheus.install: found true with namespace "shop"' in done.stderr


def test_flaggers_load_tester_can_not_become_ours(tmp_path: Path) -> None:
    flaggers: dict[str, Any] = named("apps/v1", "Deployment", "flagger-loadtester", namespace="test")
    flaggers["spec"] = {"selector": {"matchLabels": {"app": "loadtester"}}}
    done = install(tmp_path, [flaggers], namespace="test", chart="loadtester")
    assert 'is there with the selector {"app":"loadtester"}' in " ".join(done.stderr.split())
    flaggers["spec"]["selector"]["matchLabels"] = {"app": "flagger-loadtester"}
    done = install(tmp_path, [flaggers], "--take-ownership", namespace="test", chart="loadtester")
    assert done.returncode == 0, done.stderr
