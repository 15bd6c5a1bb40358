"""Both ways to install are the same objects: what Helm makes of the chart is what kustomize makes of manifests/."""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.charts import MANIFESTS, Json, Key, by_key, kustomize, render

# The only differences that are permitted: labels of the release, of objects and their pods, and who may delete a CRD.
LABELS_OF_HELM = {"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by"}
ANNOTATIONS_OF_HELM = {"helm.sh/resource-policy"}

# kustomize does not know that these are the cluster's, and gives them a namespace; the API server drops it.
OF_THE_CLUSTER = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

PROMETHEUS = {"prometheus": {"install": True}}
MONITORED = {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
TWO_AGENTS = {"leaderElection": {"replicaCount": 2}, "podDisruptionBudget": {"enabled": True}}
SHARDS = {
    "shards": 3,
    "leaderElection": {"replicaCount": 4},
    "podDisruptionBudget": {"enabled": True, "minAvailable": 3},
}
PAIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "default": ("default", {**PROMETHEUS, "meshProvider": "gloo"}),
    "without-prometheus": ("without-prometheus", {}),
    "cert-manager": ("overlays/cert-manager", {**PROMETHEUS, "webhook": {"certManager": {"enabled": True}}}),
    "high-availability": ("overlays/high-availability", {**PROMETHEUS, **TWO_AGENTS}),
    "monitoring-operator": ("overlays/monitoring-operator", MONITORED),
}


def without_helms_own(one: Json) -> Json:
    """Return an object without what may differ."""
    one = copy.deepcopy(one)
    if one["kind"] in OF_THE_CLUSTER:
        one["metadata"].pop("namespace", None)
    for metadata in (one["metadata"], one.get("spec", {}).get("template", {}).get("metadata", {})):
        for key, own in (("labels", LABELS_OF_HELM), ("annotations", ANNOTATIONS_OF_HELM)):
            kept = {name: value for name, value in metadata.pop(key, {}).items() if name not in own}
            if kept:
                metadata[key] = kept
    return one


def stripped(objects: Iterable[Json]) -> dict[Key, Json]:
    """Return the objects that stay, without what may differ: the pod of `helm test` comes and goes."""
    staying = [one for one in objects if "helm.sh/hook" not in one["metadata"].get("annotations", {})]
    return by_key(without_helms_own(one) for one in staying)


def kustomization(folder: Path, resource: str, component: str = "", **more: str) -> Path:
    """Write a kustomization of something in manifests/, named relatively: kustomize takes no absolute paths."""
    manifests = "../" * (len(folder.parts) - 1) + str(MANIFESTS.relative_to("/"))
    components = {"components": [f"{manifests}/{component}"]} if component else {}
    text = {**more, "resources": [f"{manifests}/{resource}"], **components}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return folder


@pytest.mark.parametrize("name", PAIRS)
def test_the_render_of_the_chart_equals_the_output_of_kustomize(name: str) -> None:
    folder, values = PAIRS[name]
    made, meant = stripped(render(values=values)), stripped(kustomize(MANIFESTS / folder))
    assert made.keys() == meant.keys()
    for key, one in meant.items():
        assert made[key] == one, key


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("webhook-request-rights", {"webhook": {"requestRights": True}}),
        ("config-tracking-watch", {"configTracking": {"watch": True}}),
        ("keptn", {"keptn": {"enabled": True}}),
        ("page-token", {"page": {"auth": "token"}}),
        ("shards", SHARDS),
    ],
)
def test_a_component_is_a_value(tmp_path: Path, name: str, values: dict[str, Any]) -> None:
    made = stripped(render(values={**PROMETHEUS, **values}))
    assert made == stripped(kustomize(kustomization(tmp_path, "default", name)))


def test_an_agent_of_one_namespace_is_the_overlay(tmp_path: Path) -> None:
    made = stripped(render(namespace="shop", values={"namespace": "shop"}))
    assert made == stripped(kustomize(kustomization(tmp_path, "overlays/namespaced", namespace="shop")))
    assert {kind for kind, _, _ in made} == {
        "Deployment",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    }


def test_an_agent_of_one_namespace_watches_the_configs_of_that_one() -> None:
    objects = render(namespace="shop", values={"namespace": "shop", "configTracking": {"watch": True}})
    found = by_key(objects)
    assert (
        "--config-tracking=watch"
        in found["Deployment", "shop", "serin-agent"]["spec"]["template"]["spec"]["containers"][0]["args"]
    )
    assert found["Role", "shop", "serin-agent-configs"]["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["list", "watch"]}
    ]
    binding = found["RoleBinding", "shop", "serin-agent-configs"]
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "serin-agent-configs",
    }
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "serin-agent", "namespace": "shop"}]
    assert not [key for key in found if key[0].startswith("Cluster")]


def test_whose_tracking_is_off_may_not_list_secrets() -> None:
    off = by_key(render(values={"configTracking": {"enabled": False, "watch": True}}))
    assert not [key for key in off if key[2] == "serin-agent-configs"]


def test_the_dashboards_are_those_of_the_kustomization() -> None:
    found = stripped(render(values={"dashboards": {"enabled": True, "namespace": "monitoring"}}))
    dashboard = found["ConfigMap", "monitoring", "serin-canaries-dashboard"]
    [meant] = kustomize(MANIFESTS / "grafana")
    assert dashboard["data"] == meant["data"]
    assert dashboard["data"].keys() == {"serin-overview.json", "serin-canary.json"}
    assert dashboard["metadata"]["labels"] == meant["metadata"]["labels"] == {"grafana_dashboard": "1"}


def test_the_load_tester_is_the_same_too(tmp_path: Path) -> None:
    made = render("loadtester", release="flagger-loadtester", namespace="test")
    assert stripped(made) == stripped(kustomize(kustomization(tmp_path, "loadtester", namespace="test")))


def test_every_object_is_labelled_as_the_releases_and_crds_are_kept() -> None:
    for one in render(values=PAIRS["default"][1]):
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "Helm", one["metadata"]["name"]
        assert labels["app.kubernetes.io/instance"] == "serin"
        if one["kind"] == "CustomResourceDefinition":
            assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_no_certificate_is_in_the_chart() -> None:
    """The webhook's authority fills it in; what a chart says of it, an upgrade would take away."""
    for one in render(values=PAIRS["default"][1]):
        if one["kind"].endswith("WebhookConfiguration"):
            assert not [entry for entry in one["webhooks"] if "caBundle" in entry["clientConfig"]]
        if one["metadata"]["name"] == "serin-webhook-authority" and one["kind"] == "Secret":
            assert not {"data", "stringData"} & one.keys()
