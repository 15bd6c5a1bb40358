"""manifests/page-token: what it opens, and no right beyond the two that the page needs."""

from typing import Any

import yaml

from agent.page import reviews
from kube.resource import SUBJECT_ACCESS_REVIEWS
from tests.support.cluster import REPOSITORY
from tests.support.granted import granted, manifests
from tests.support.json_patch import apply_patch

MANIFESTS = REPOSITORY / "manifests"
COMPONENT = MANIFESTS / "page-token"


def agent(kind: str, file: str) -> dict[str, Any]:
    """An object of the agent with the component's patch."""
    [patch] = [
        patch
        for patch in yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())["patches"]
        if patch["target"] == {"kind": kind, "name": "serin-agent"}
    ]
    patched: dict[str, Any] = apply_patch(
        yaml.safe_load((MANIFESTS / "agent" / file).read_text()), yaml.safe_load(patch["patch"])
    )
    return patched


def test_the_agent_may_ask_for_reviews_and_nothing_else() -> None:
    rights = {(right.user, right.verb, right.group, right.resource) for right in granted(manifests(COMPONENT))}
    assert rights == {
        ("serin-agent", "create", "authentication.k8s.io", "tokenreviews"),
        ("serin-agent", "create", "authorization.k8s.io", "subjectaccessreviews"),
    }
    asked = {(each.group, each.plural) for each in (reviews.TOKEN_REVIEWS, SUBJECT_ACCESS_REVIEWS)}
    assert {right[2:] for right in rights} == asked


def test_without_the_component_it_may_not() -> None:
    rights = granted(manifests(MANIFESTS / "rbac", MANIFESTS / "agent"))
    assert not {right for right in rights if right.resource in {"tokenreviews", "subjectaccessreviews"}}


def test_the_port_is_opened_by_name_from_the_service_to_the_pod() -> None:
    container = agent("Deployment", "deployment.yaml")["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][-1] == "--page-auth=token"
    assert {"name": "page", "containerPort": 8081, "protocol": "TCP"} in container["ports"]
    assert {"name": "page", "port": 8081, "protocol": "TCP", "targetPort": "page"} in agent("Service", "service.yaml")[
        "spec"
    ]["ports"]
    assert agent("NetworkPolicy", "network-policy.yaml")["spec"]["ingress"] == [
        {"ports": [{"port": "http"}, {"port": "page"}]}
    ]


def test_without_the_component_no_port_leads_to_the_page() -> None:
    container = yaml.safe_load((MANIFESTS / "agent" / "deployment.yaml").read_text())["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert [port["containerPort"] for port in container["ports"]] == [8080]
    assert not [argument for argument in container["args"] if argument.startswith("--page")]
