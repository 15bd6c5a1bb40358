"""The mutating entry refuses, whole, what the CRD would refuse next, and leaves all else to be mended and judged."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.support.admission_faults import NOWHERE
from tests.support.cluster import REPOSITORY
from tests.support.reviews import request
from tests.support.rule_cases import good_canary_with
from webhook.mutating import REFUSED_BY_THE_CRD, mutate_canary
from webhook.review import Answer


def mutate(changes: Mapping[str, object]) -> Answer:
    return mutate_canary(request(good_canary_with(changes)), NOWHERE)


@pytest.mark.parametrize(
    ("changes", "paths"),
    [
        (
            {"analysis/interval": 5, "analysis/webhooks/0/url": "loadtester"},
            ["spec.analysis.interval", "spec.analysis.webhooks[0].url"],
        ),
        ({"targetRef/name": ..., "service/port": 0}, ["spec.targetRef.name", "spec.service.port"]),
        ({"analysis/stepWeights": [-1]}, ["spec.analysis.stepWeights[0]"]),
        (
            {"analysis/stepWeight": ..., "analysis/maxWeight": ..., "analysis/steps": [{"weight": 20}, {"weight": 10}]},
            ["spec.analysis.steps[1].weight"],
        ),
        ({"analysis/maxWeight": ..., "analysis/steps": [{"weight": 20}]}, ["spec.analysis.stepWeight"]),
        ({"analysis/metrics/0/thresholdRange": {"min": 5, "max": 1}}, ["spec.analysis.metrics[0].thresholdRange"]),
        ({"analysis/webhooks/0/type": "confirm"}, ["spec.analysis.webhooks[0].type"]),
        ({"analysis/webhooks/0/url": "loadtester"}, []),
        ({"analysis/threshold": -1}, []),
        ({}, []),
    ],
)
def test_what_the_crd_would_refuse_is_refused_with_all_the_rest_and_nothing_else_is(
    changes: Mapping[str, object], paths: list[str]
) -> None:
    answer = mutate(changes)
    assert [cause.field for cause in (answer.refusal.causes if answer.refusal is not None else ())] == paths
    assert (answer.patch == ()) == (paths != [])


def test_the_demos_faulty_canary_is_told_all_its_faults_at_once() -> None:
    faulty = yaml.safe_load((REPOSITORY / "sandbox" / "demo" / "faulty-canary.yaml").read_text())
    answer = mutate_canary(request(faulty), NOWHERE)
    assert answer.refusal is not None
    assert [cause.field for cause in answer.refusal.causes] == [
        "spec.analysis.interval",
        "spec.analysis.stepWeights[1]",
        "spec.analysis.metrics[0].thresholdRange",
        "spec.analysis.webhooks[0].url",
    ]


def test_a_canary_without_a_spec_is_told_so() -> None:
    obj = {key: value for key, value in good_canary_with({}).items() if key != "spec"}
    answer = mutate_canary(request(obj), NOWHERE)
    assert answer.refusal is not None
    assert [(cause.field, cause.message) for cause in answer.refusal.causes] == [
        ("spec", "found nothing; allowed: an object with targetRef, service and analysis")
    ]


def test_defaults_are_added_to_what_a_later_webhook_may_mend() -> None:
    patch = mutate({"analysis/webhooks/0/url": "loadtester"}).patch
    assert {"op": "add", "path": "/spec/provider", "value": "gloo"} in patch


def test_each_rule_of_the_crd_is_known() -> None:
    """Its enumerations and its CEL rules; what refuses a wrong type is found by the shape."""
    crd = yaml.safe_load((REPOSITORY / "manifests" / "crds" / "canaries.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    literals = {
        "spec.analysis.sessionAffinity.sameSite",
        "spec.analysis.metrics[].onNoData",
        "spec.analysis.metrics[].evidence.against",
        "spec.analysis.metrics[].evidence.undecided",
        "spec.analysis.metrics[].evidence.advance",
        "spec.analysis.alerts[].severity",
    }
    others = {"spec.ingressRef.kind", "spec.routeRef.kind"}
    rules = {f"spec{rule['fieldPath']}" for rule in spec["x-kubernetes-validations"]} | _enumerated(spec, "spec")
    for path in rules - literals - others:
        assert any(known.startswith(path) for known in REFUSED_BY_THE_CRD), path


def _enumerated(node: dict[str, Any], path: str) -> set[str]:
    found = {path} if "enum" in node else set()
    for name, inner in node.get("properties", {}).items():
        found |= _enumerated(inner, f"{path}.{name}")
    return found | (_enumerated(node["items"], f"{path}[]") if "items" in node else set())
