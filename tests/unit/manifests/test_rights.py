"""The rights that are shipped: each for something that a program does, and none to look for Secrets.

tests/support/rights_used.py holds them against what the API servers of the cluster tests were asked for.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.caches import Caches
from agent.settings import ConfigTracking
from tests.support.cluster import REPOSITORY
from tests.support.granted import Right, granted, manifests, not_granted, unused, used
from tests.support.rights_used import INSTALLED, NEVER_SEEN, may_read

MANIFESTS = REPOSITORY / "manifests"
RIGHTS = granted(manifests(*INSTALLED))
ELSEWHERE = MANIFESTS / "overlays" / "namespaced" / "elsewhere.yaml"

# Each verb of the agent but list and watch, on what, with the line of code that uses it.
USES = {
    "get": {
        "configmaps": "agent/tracking/referenced.py: .get(CONFIGS[ref.kind]",
        "secrets": "agent/providers/credentials.py: client.get(SECRETS",
        "leases": "kube/lease.py: client.get(LEASES",
        "metrictemplates": "agent/elsewhere.py: .get(resource, name, namespace)",
        "alertproviders": "agent/elsewhere.py: .get(resource, name, namespace)",
        "upstreams": "agent/elsewhere.py: .get(resource, name, namespace)",
    },
    "create": {
        "configmaps": "agent/config_copies.py: self._client.create(resource, rendered)",
        "secrets": "agent/config_copies.py: self._client.create(resource, rendered)",
        "deployments": "agent/apply.py: self._client.create(resource, rendered)",
        "daemonsets": "agent/apply.py: self._client.create(resource, rendered)",
        "services": "agent/applied_objects.py: self._client.apply(resource",
        "horizontalpodautoscalers": "agent/applied_objects.py: self._client.apply(resource",
        "scaledobjects": "agent/applied_objects.py: self._client.apply(resource",
        "upstreams": "agent/applied_objects.py: self._client.apply(resource",
        "routetables": "agent/providers/routing/gloo.py: self._client.create(ROUTE_TABLES",
        "events": "kube/events.py: self._client.create(EVENTS",
        "leases": "kube/lease.py: client.create(LEASES",
    },
    "patch": {
        "canaries": "agent/apply.py: self._client.json_patch(",
        "configmaps": "agent/config_copies.py: self._client.json_patch(",
        "secrets": "agent/config_copies.py: self._client.json_patch(",
        "deployments": "agent/apply.py: self._client.json_patch(",
        "daemonsets": "agent/apply.py: self._client.json_patch(",
        "services": "agent/applied_objects.py: self._client.apply(resource",
        "horizontalpodautoscalers": "agent/applied_objects.py: self._client.apply(resource",
        "scaledobjects": "agent/applied_objects.py: self._client.apply(resource",
        "upstreams": "agent/applied_objects.py: self._client.apply(resource",
        "routetables": "agent/providers/routing/gloo.py: self._client.json_patch(",
        "events": "kube/events.py: self._client.merge_patch(EVENTS",
    },
    "delete": {
        "configmaps": "agent/config_copies.py: self._client.delete(resource",
        "secrets": "agent/config_copies.py: self._client.delete(resource",
        "horizontalpodautoscalers": "agent/applied_objects.py: self._client.delete(resource",
        "scaledobjects": "agent/applied_objects.py: self._client.delete(resource",
    },
    "update": {
        "canaries/status": 'agent/tick.py: subresource="status"',
        "leases": "kube/lease.py: client.replace(LEASES",
    },
}
# Listed without a watch, and watched without a cache of their own.
LISTED = {("replicasets", "list"), ("controllerrevisions", "list"), ("pods", "list"), ("pods", "watch")}


def of(user: str) -> set[tuple[str, str]]:
    """Return the resources and verbs of a service account, but for what no test can see used."""
    unused = {right for right in NEVER_SEEN if right.verb != "get"}
    return {(right.resource, right.verb) for right in RIGHTS - unused if right.user == user}


def test_each_right_of_the_agent_is_for_something_that_it_does() -> None:
    cached = {cache.resource.plural for cache in Caches(None, "").all()}  # type: ignore[arg-type]
    watched = {(plural, verb) for plural in cached for verb in ("list", "watch")}
    written = {(resource, verb) for verb, resources in USES.items() for resource in resources}
    assert of("serin-agent") == watched | LISTED | written


@pytest.mark.parametrize("place", sorted({place for resources in USES.values() for place in resources.values()}))
def test_what_the_agent_does_is_where_the_table_says(place: str) -> None:
    path, _, code = place.partition(": ")
    assert code in (REPOSITORY / path).read_text()


def test_nobody_may_look_for_secrets_nor_for_configmaps() -> None:
    for right in RIGHTS:
        if right.resource in {"secrets", "configmaps"} and right.verb not in {"get", "create", "patch", "delete"}:
            assert right.name == "serin-webhook-authority", f"{right}: of all of them"
    cached = {cache.resource.plural for cache in Caches(None, "", tracking=ConfigTracking.WATCH).all()}  # type: ignore[arg-type]
    watching = {(right.resource, right.verb) for right in granted(manifests(MANIFESTS / "config-tracking-watch"))}
    assert watching == {(plural, verb) for plural in ("configmaps", "secrets") for verb in ("list", "watch")}
    assert {plural for plural, _ in watching} <= cached


@pytest.mark.parametrize(
    ("verb", "resource", "code"),
    [
        ("get", "keptnmetrics", "self._client.get(KEPTN_METRICS"),
        ("get", "analyses", "self._client.get(ANALYSES"),
        ("create", "analyses", "self._client.create(ANALYSES"),
        ("delete", "analyses", "self._client.delete(ANALYSES"),
    ],
)
def test_keptns_objects_are_for_those_who_ask_for_them(verb: str, resource: str, code: str) -> None:
    allowed = {(right.verb, right.resource) for right in granted(manifests(MANIFESTS / "keptn"))}
    assert (verb, resource) in allowed
    assert len(allowed) == 4
    assert code in (REPOSITORY / "agent/providers/metrics/servers/keptn.py").read_text()
    assert not [right for right in RIGHTS if right.group == "metrics.keptn.sh"], "not in the default"


def test_the_webhook_writes_nothing_and_reads_one_secret() -> None:
    mine = {right for right in RIGHTS if right.user == "serin-webhook"}
    assert {right.verb for right in mine} == {"list", "watch"}
    assert {right.name for right in mine if right.resource == "secrets"} == {"serin-webhook-authority"}
    assert not [right for right in mine if right.group == "admissionregistration.k8s.io"]


def test_only_the_authority_writes_the_configurations_and_makes_no_secret() -> None:
    writers = {
        right.user for right in RIGHTS if right.group == "admissionregistration.k8s.io" and right.verb == "patch"
    }
    assert writers == {"serin-webhook-authority"}
    mine = {right for right in RIGHTS if right.user == "serin-webhook-authority"}
    assert {(right.name, right.resource) for right in mine} == {
        ("serin-webhook-authority", "secrets"),
        ("serin-webhook", "mutatingwebhookconfigurations"),
        ("serin-webhook", "validatingwebhookconfigurations"),
    }
    assert not [right for right in mine if right.verb in {"create", "delete", "deletecollection", "*"}]


def test_no_rule_has_a_wildcard_or_a_right_over_rights() -> None:
    for right in granted(manifests(MANIFESTS)):
        assert "*" not in right
        assert right.group != "rbac.authorization.k8s.io"
        assert right.verb not in {"impersonate", "escalate", "bind"}
        assert right.resource not in {"serviceaccounts/token", "pods/exec", "pods/portforward", "nodes/proxy"}


def test_the_namespaced_agent_has_the_same_rules_in_a_role() -> None:
    """Rendered, this is seen in tests/cluster/test_sandbox_serin.py; here: nothing of the cluster is taken in."""
    text = (MANIFESTS / "overlays" / "namespaced" / "kustomization.yaml").read_text()
    assert yaml.safe_load(text)["resources"] == ["../../rbac/agent", "../../rbac/namespaced", "../../agent"]
    seen = {(right.resource, right.verb) for right in granted(manifests(MANIFESTS / "rbac" / "namespaced"))}
    assert seen == {(plural, verb) for plural in ("virtualservices", "leases") for verb in ("list", "watch")}
    bound = {(right.resource, right.verb) for right in granted(manifests(MANIFESTS / "rbac" / "agent"))}
    assert not bound & {("virtualservices", "list"), ("leases", "list")}
    allowed = {(right.resource, right.verb) for right in granted(documents(ELSEWHERE))}
    assert allowed == {(plural, "get") for plural in ("metrictemplates", "alertproviders", "upstreams")}


def documents(path: Path) -> list[Any]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def test_users_get_canaries_by_the_roles_that_every_cluster_has() -> None:
    roles = {role["metadata"]["name"]: role for role in documents(MANIFESTS / "rbac" / "users.yaml")}
    aggregated = {
        match[1]: {verb for rule in role["rules"] for verb in rule["verbs"]}
        for role in roles.values()
        for label in role["metadata"]["labels"]
        if (match := re.fullmatch(r"rbac\.authorization\.k8s\.io/aggregate-to-(\w+)", label))
    }
    assert aggregated["view"] == {"get", "list", "watch"}
    assert aggregated["edit"] >= {"create", "update", "patch", "delete"}


AGENT = "system:serviceaccount:gloo-system:serin-agent"


def event(verb: str, resource: str, *, user: str = AGENT, code: int = 200, **reference: str) -> dict[str, Any]:
    where = {"resource": resource, "namespace": "test"} | reference
    return {"user": {"username": user}, "verb": verb, "objectRef": where, "responseStatus": {"code": code}}


def test_what_was_used_is_read_from_the_audit_log() -> None:
    seen = [
        event("update", "canaries", subresource="status", apiGroup="flagger.app", name="a"),
        event("patch", "services", name="a", code=201),
        event("get", "secrets", name="keys") | {"impersonatedUser": {"username": "somebody"}},
        {"user": {"username": AGENT}, "verb": "get", "requestURI": "/version"},
    ]
    assert used(seen) == {
        Right("serin-agent", "update", "flagger.app", "canaries/status", "a"),
        Right("serin-agent", "patch", "", "services", "a"),
        Right("serin-agent", "create", "", "services", "a"),
    }


def test_rights_are_held_against_their_use() -> None:
    rights = {Right("a", "get", "", "secrets"), Right("a", "update", "coordination.k8s.io", "leases", "mine")}
    uses = {
        Right("a", "get", "", "secrets", "keys"),
        Right("a", "update", "coordination.k8s.io", "leases", "other"),
        Right("b", "get", "", "secrets", "keys"),
    }
    assert not_granted(rights, uses) == uses - {Right("a", "get", "", "secrets", "keys")}
    assert unused(rights, uses) == {Right("a", "update", "coordination.k8s.io", "leases", "mine")}


@pytest.mark.parametrize(
    ("use", "is_right"),
    [
        (Right("serin-agent", "get", "", "secrets", "keys"), True),
        (Right("serin-agent", "list", "", "secrets"), False),
        (Right("serin-agent", "get", "", "secrets", "serin-webhook-authority"), False),
        (Right("serin-webhook-authority", "get", "", "secrets", "serin-webhook-authority"), True),
    ],
)
def test_a_request_for_a_secret_names_it(use: Right, *, is_right: bool) -> None:
    assert may_read(use) is is_right
