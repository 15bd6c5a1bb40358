"""A field that nobody reads is told, with the one that may be meant; an object that has it is accepted all the same."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from canary.api.canary import Canary
from canary.rules.canary import check_canary
from canary.rules.shape import alert_provider_problems, canary_problems, metric_template_problems, parse_canary

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]

FOUND = "found a field that is not known and not read; allowed: known fields"
HOOKS = [{"name": "gate", "type": "confirm-promotion", "url": "http://gate.test/"}]


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("webhooks", HOOKS, "spec.analysis.webhooks"),
        ("match", [], "spec.analysis.match"),
        ("analysis/webhook", HOOKS, "spec.analysis.webhooks"),
        ("analysis/thresholdd", 5, "spec.analysis.threshold"),
        ("analysis/stepweight", 5, "spec.analysis.stepWeight"),
        ("analysis/skipAnalysis", True, "spec.skipAnalysis"),
        ("analysis/metrics/0/intervall", "1m", "spec.analysis.metrics[0].interval"),
        ("analysis/metrics/0/thresholdRange/minimum", 5, None),
        ("analysis/webhooks/1/metadatas", {}, "spec.analysis.webhooks[1].metadata"),
        ("service/corsPolicy/alowOrigins", [], "spec.service.corsPolicy.allowOrigins"),
        ("analysis/owner", "me", None),
    ],
)
def test_an_unknown_field_is_told_with_the_one_that_may_be_meant(
    canary_with: CanaryWith, path: str, value: object, meant: str | None
) -> None:
    obj = canary_with({path: value})
    found = [str(problem) for problem in canary_problems(obj) if "not known" in str(problem)]
    where = "spec." + path.replace("/0", "[0]").replace("/1", "[1]").replace("/", ".")
    assert found == [f"{where}: {FOUND}" + (f"; did you mean {meant}?" if meant else "")]
    assert parse_canary(obj).name == "podinfo"


def test_an_unknown_condition_is_told_to_make_its_entry_one_for_nobody(canary_with: CanaryWith) -> None:
    match = [{"header": {"a": {"exact": "b"}}}, {"headers": {"a": {"exact": "b", "contains": "c"}}}]
    obj = canary_with({"analysis/iterations": 3, "analysis/match": match})
    found = [str(problem) for problem in canary_problems(obj) if "not known" in str(problem)]
    nobody = "; with this one, the entry is for nobody"
    assert found == [
        f"spec.analysis.match[0].header: {FOUND}{nobody}; did you mean spec.analysis.match[0].headers?",
        f"spec.analysis.match[1].headers.a.contains: {FOUND}{nobody}",
    ]


def test_unknown_fields_of_the_other_kinds_are_told_without_their_values() -> None:
    spec: dict[str, Any] = {"type": "slack", "address": "https://a/", "adress": "https://hooks.test/key"}
    (found,) = alert_provider_problems({"metadata": {"name": "a"}, "spec": spec})
    assert str(found) == f"spec.adress: {FOUND}; did you mean spec.address?"
    assert found.is_warning
    provider = {"type": "prometheus", "address": "http://a/", "secretref": {"name": "s"}}
    (found,) = metric_template_problems({"metadata": {"name": "t"}, "spec": {"provider": provider, "query": "x"}})
    assert str(found) == f"spec.provider.secretref: {FOUND}; did you mean spec.provider.secretRef?"
    assert found.is_warning


def test_no_field_of_an_example_is_unknown(example: dict[str, Any]) -> None:
    problems = check_canary(Canary.model_validate(example))
    assert [str(problem) for problem in problems if "not known" in str(problem)] == [], yaml.dump(example)


def test_of_very_many_unknown_fields_some_are_told(canary_with: CanaryWith) -> None:
    obj = canary_with({f"field{number}": number for number in range(5_000)})
    assert len(canary_problems(obj)) == 20
