"""The shipped configurations say what the server does, and can block nothing."""

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from canary.run.wire import (
    CHANGED_ANNOTATION,
    CHANGED_BY_ANNOTATION,
    REQUEST_ANNOTATION,
    REQUESTED_BY_ANNOTATION,
    REVISION_ANNOTATION,
)
from kube.client import Client
from tests.support.cluster import REPOSITORY
from tests.support.json_patch import apply_patch
from webhook.caches import Caches
from webhook.context import AGENT
from webhook.main import ENTRIES

Object = dict[str, Any]

WEBHOOK = REPOSITORY / "manifests" / "webhook"
CERT_MANAGER = REPOSITORY / "manifests" / "webhook-cert-manager"


def documents(path: Path) -> list[Object]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def webhooks() -> list[tuple[str, Object]]:
    """Each entry with the kind of its configuration."""
    return [
        (configuration["kind"], entry)
        for configuration in documents(WEBHOOK / "configurations.yaml")
        for entry in configuration["webhooks"]
    ]


ALL = [pytest.param(kind, entry, id=f"{kind}-{entry['name']}") for kind, entry in webhooks()]


def test_every_entry_of_the_server_is_asked_and_no_other() -> None:
    assert sorted(entry["clientConfig"]["service"]["path"] for _, entry in webhooks()) == sorted(ENTRIES)


@pytest.mark.parametrize(("kind", "entry"), ALL)
def test_no_entry_can_block_an_apply(kind: str, entry: Object) -> None:
    assert (entry["failurePolicy"], entry["timeoutSeconds"], entry["sideEffects"]) == ("Ignore", 2, "None")
    assert "caBundle" not in entry["clientConfig"]


@pytest.mark.parametrize(("kind", "entry"), ALL)
def test_what_a_repair_needs_is_exempt_and_our_own_kinds_are_looked_at_everywhere(kind: str, entry: Object) -> None:
    groups = {group for rule in entry["rules"] for group in rule["apiGroups"]}
    if groups == {"flagger.app"}:
        assert "namespaceSelector" not in entry
        return
    [exempt] = entry["namespaceSelector"]["matchExpressions"]
    assert exempt == {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["kube-system", "gloo-system"],
    }


@pytest.mark.parametrize(("kind", "entry"), ALL)
def test_the_kind_of_configuration_fits_the_path(kind: str, entry: Object) -> None:
    verb = entry["clientConfig"]["service"]["path"].split("/")[1]
    assert kind == {"mutate": "MutatingWebhookConfiguration", "validate": "ValidatingWebhookConfiguration"}[verb]
    assert entry.get("reinvocationPolicy") == ("IfNeeded" if verb == "mutate" else None)


@pytest.mark.parametrize(("kind", "entry"), ALL)
def test_the_agents_writes_and_statuses_never_come_here(kind: str, entry: Object) -> None:
    conditions = " && ".join(condition["expression"] for condition in entry["matchConditions"])
    assert f"request.userInfo.username != '{AGENT}'" in conditions
    assert not [resource for rule in entry["rules"] for resource in rule["resources"] if "status" in resource]


def test_the_workloads_entry_looks_at_every_annotation_of_the_mark() -> None:
    [entry] = [entry for _, entry in webhooks() if entry["name"] == "workloads.serin.dev"]
    conditions = " ".join(condition["expression"] for condition in entry["matchConditions"])
    for key in (REVISION_ANNOTATION, CHANGED_ANNOTATION, CHANGED_BY_ANNOTATION):
        assert f"'{key}'" in conditions


def test_both_entries_for_canaries_look_at_a_request() -> None:
    for kind, entry in webhooks():
        if entry["name"] == "canaries.serin.dev":
            conditions = " ".join(condition["expression"] for condition in entry["matchConditions"])
            assert f"'{REQUEST_ANNOTATION}'" in conditions
            assert (f"'{REQUESTED_BY_ANNOTATION}'" in conditions) == (kind == "MutatingWebhookConfiguration")


def test_the_service_leads_to_the_port_that_serves_tls() -> None:
    [service] = documents(WEBHOOK / "service.yaml")
    [port] = service["spec"]["ports"]
    deployment = documents(WEBHOOK / "deployment.yaml")[0]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    ports = {named["name"]: named["containerPort"] for named in container["ports"]}
    assert f"--port={ports[port['targetPort']]}" in container["args"]
    assert f"--metrics-port={ports['http']}" in container["args"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "http"


def test_with_cert_manager_the_authority_is_taken_away_with_the_right_to_its_secret() -> None:
    own = [*documents(WEBHOOK / "authority.yaml"), *documents(WEBHOOK / "rbac.yaml")]
    gone = {(one["kind"], one["metadata"]["name"]) for one in own if one["metadata"]["name"] != "serin-webhook"}
    assert gone == {(one["kind"], one["metadata"]["name"]) for one in documents(CERT_MANAGER / "no-authority.yaml")}
    [component] = documents(CERT_MANAGER / "kustomization.yaml")
    taken = [patch for patch in component["patches"] if "$patch: delete" in patch.get("patch", "")]
    assert gone == {(patch["target"]["kind"], patch["target"]["name"]) for patch in taken}


def test_cert_manager_changes_one_argument_and_adds_one_whatever_other_components_add() -> None:
    deployment = documents(WEBHOOK / "deployment.yaml")[0]
    [operations] = documents(CERT_MANAGER / "deployment.yaml")
    before = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    patched = apply_patch(deployment, cast("list[Object]", operations))
    after = patched["spec"]["template"]["spec"]["containers"][0]["args"]
    assert before[0] == "--certificates=stored"
    assert after == ["--certificates=files", *before[1:], "--certificate-dir=/run/serin-webhook-tls"]


def test_two_replicas_keep_apart_and_one_is_always_left() -> None:
    deployment, budget = documents(WEBHOOK / "deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert (budget["kind"], budget["spec"]["minAvailable"]) == ("PodDisruptionBudget", 1)
    [preferred] = deployment["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    term = preferred["podAffinityTerm"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    for selector in (budget["spec"]["selector"], term["labelSelector"]):
        assert selector["matchLabels"].items() <= labels.items()


def test_what_is_kept_of_the_cluster_may_be_listed_and_watched_and_no_more() -> None:
    [rules] = [
        document["rules"]
        for document in documents(WEBHOOK / "rbac.yaml")
        if (document["kind"], document["metadata"]["name"]) == ("ClusterRole", "serin-webhook")
    ]
    assert all(rule["verbs"] == ["list", "watch"] for rule in rules)
    allowed = {(group, plural) for rule in rules for group in rule["apiGroups"] for plural in rule["resources"]}
    kept = {cache.resource for cache in Caches(cast("Client", None), "").all()}
    assert allowed == {(resource.group, resource.plural) for resource in kept}
