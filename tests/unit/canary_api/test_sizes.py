"""How large an object may be, and that one beyond is refused by its place, and before anything else is looked at."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from canary.api.problems import InvalidObject
from canary.rules.shape import (
    alert_provider_problems,
    canary_problems,
    metric_template_problems,
    parse_canary,
)
from tests.support.rule_cases import CanaryWith

METRIC = {"name": "request-success-rate", "thresholdRange": {"min": 99}}
HOOK = {"name": "load", "url": "http://loadtester.test/"}


def nested(depth: int, innermost: object = "a") -> Any:
    value = innermost
    for level in range(depth):
        value = {"k": value} if level % 2 else [value]
    return value


def headers(count: int) -> dict[str, str]:
    return {f"x-{number}": "a" for number in range(count)}


def texts(count: int) -> list[str]:
    return [f"x-{number}" for number in range(count)]


COUNTED: list[tuple[str, str, int, Any]] = [
    ("analysis/metrics", "spec.analysis.metrics", 100, lambda count: [METRIC] * count),
    ("analysis/webhooks", "spec.analysis.webhooks", 100, lambda count: [HOOK | {"name": str(n)} for n in range(count)]),
    (
        "analysis/alerts",
        "spec.analysis.alerts",
        50,
        lambda count: [{"name": "a", "providerRef": {"name": "b"}}] * count,
    ),
    ("analysis/stepWeights", "spec.analysis.stepWeights", 1_000, lambda count: [5] * count),
    ("analysis/match", "spec.analysis.match", 100, lambda count: [{"headers": {"a": {"exact": "b"}}}] * count),
    (
        "analysis/metrics/0/templateVariables",
        "spec.analysis.metrics[0].templateVariables",
        100,
        headers,
    ),
    ("analysis/webhooks/1/metadata", "spec.analysis.webhooks[1].metadata", 100, headers),
    ("service/headers/request/set", "spec.service.headers.request.set", 100, headers),
    ("service/headers/response/add", "spec.service.headers.response.add", 100, headers),
    ("service/headers/response/remove", "spec.service.headers.response.remove", 100, texts),
    ("service/corsPolicy/allowHeaders", "spec.service.corsPolicy.allowHeaders", 100, texts),
]


@pytest.mark.parametrize(("place", "path", "most", "make"), COUNTED, ids=[path for _, path, _, _ in COUNTED])
def test_as_many_as_the_bound_are_read_and_one_more_is_not(
    canary_with: CanaryWith, place: str, path: str, most: int, make: Any
) -> None:
    parse_canary(canary_with({place: make(most)}))
    (problem,) = canary_problems(canary_with({place: make(most + 1)}))
    assert str(problem) == f"{path}: found {most + 1} entries; allowed: at most {most} entries"
    assert problem.stops_runs


@pytest.mark.parametrize(
    ("place", "path", "most", "make"),
    [
        ("analysis/metrics/0/name", "spec.analysis.metrics[0].name", 253, lambda n: "a" * n),
        ("analysis/webhooks/0/name", "spec.analysis.webhooks[0].name", 253, lambda n: "a" * n),
        ("analysis/webhooks/0/url", "spec.analysis.webhooks[0].url", 8_192, lambda n: "http://a/" + "b" * (n - 9)),
        ("metricsServer", "spec.metricsServer", 8_192, lambda n: "http://a/" + "b" * (n - 9)),
        ("analysis/webhooks/0/metadata/cmd", "spec.analysis.webhooks[0].metadata.cmd", 65_536, lambda n: "a" * n),
    ],
)
def test_a_text_is_as_long_as_its_bound_and_no_longer(
    canary_with: CanaryWith, place: str, path: str, most: int, make: Any
) -> None:
    found = canary_problems(canary_with({place: make(most)}))
    assert [problem.path for problem in found if "characters" in problem.allowed] == []
    (problem,) = canary_problems(canary_with({place: make(most + 1)}))
    assert str(problem) == f"{path}: found {most + 1} characters; allowed: at most {most} characters"


def test_the_deprecated_analysis_is_counted_too(canary_with: CanaryWith) -> None:
    obj = canary_with({"analysis": ..., "canaryAnalysis": {"stepWeight": 5, "metrics": [METRIC] * 101}})
    assert [problem.path for problem in canary_problems(obj)] == ["spec.canaryAnalysis.metrics"]


def test_a_key_is_no_text_without_an_end(canary_with: CanaryWith) -> None:
    (problem,) = canary_problems(canary_with({"service/apex": {"labels": {"k" * 1_025: "v"}}}))
    assert str(problem) == (
        "spec.service.apex.labels: found a key of 1025 characters; allowed: keys of at most 1024 characters"
    )


def test_all_texts_together_have_a_bound(canary_with: CanaryWith) -> None:
    (problem,) = canary_problems(canary_with({f"trafficPolicy{number}": "a" * 60_000 for number in range(5)}))
    assert problem.path == "spec"
    assert problem.allowed == "at most 262144 in all its texts"


@pytest.mark.parametrize("depth", [33, 254, 900, 5_000, 100_000])
@pytest.mark.parametrize("field", ["trafficPolicy", "analysis", "unknown"])
def test_what_is_nested_too_deep_is_refused_by_its_place(canary_with: CanaryWith, field: str, depth: int) -> None:
    obj = canary_with({field: nested(depth)})
    (problem,) = canary_problems(obj)
    assert problem.path.startswith(f"spec.{field}")
    assert problem.allowed == "at most 32 objects and lists in each other"
    with pytest.raises(InvalidObject, match="at most 32 objects"):
        parse_canary(obj)


def test_what_is_nested_as_people_nest_is_read(canary_with: CanaryWith) -> None:
    obj = canary_with({"service/trafficPolicy": nested(28) | {}})
    assert parse_canary(obj).spec.service.traffic_policy


@pytest.mark.parametrize("field", ["labels", "annotations", "name", "uid"])
def test_metadata_that_no_api_server_sends_is_refused_too(canary_with: CanaryWith, field: str) -> None:
    obj = canary_with({})
    obj["metadata"][field] = {"a": nested(900)}
    assert [problem.path.startswith("metadata") for problem in canary_problems(obj)] == [True]


def test_what_the_api_server_notes_of_who_wrote_is_not_looked_at(canary_with: CanaryWith) -> None:
    obj = canary_with({})
    obj["metadata"]["managedFields"] = [{"fieldsV1": nested(900)}]
    assert parse_canary(obj).name == "podinfo"


@pytest.mark.parametrize(
    ("unwanted", "path"),
    [
        ([9], None),
        ([10], "spec.analysis.match[0].withoutHeaders"),
        ([9, 8, 8], "spec.analysis.match[2].withoutHeaders"),
        ([1] * 100, None),
        ([64], "spec.analysis.match[0].withoutHeaders"),
    ],
)
def test_headers_that_double_the_matchers_are_counted(
    canary_with: CanaryWith, unwanted: list[int], path: str | None
) -> None:
    match = [{"withoutHeaders": {f"x-{n}": {"exact": "1"} for n in range(count)}} for count in unwanted]
    found = canary_problems(canary_with({"analysis/match": match, "analysis/iterations": 3}))
    assert [problem.path for problem in found if not problem.is_warning] == ([] if path is None else [path])


def test_conditions_of_an_entry_are_counted(canary_with: CanaryWith) -> None:
    match = [
        {
            "headers": {f"x-{n}": {"exact": "1"} for n in range(60)},
            "queryParams": {f"q{n}": {"exact": "1"} for n in range(5)},
        }
    ]
    (problem,) = canary_problems(canary_with({"analysis/match": match}))
    assert str(problem) == "spec.analysis.match[0]: found 65 conditions; allowed: at most 64"


@pytest.mark.parametrize("read", [metric_template_problems, alert_provider_problems])
def test_the_other_kinds_have_the_same_bounds(read: Any) -> None:
    spec: Mapping[str, Any] = {"provider": {"type": "prometheus"}, "type": "slack", "x": nested(900)}
    (problem,) = read({"metadata": {"name": "a"}, "spec": spec})
    assert problem.path.startswith("spec.x")


def test_a_metric_templates_own_texts_are_bounded() -> None:
    provider = {
        "type": "prometheus",
        "address": "http://p/" + "a" * 9_000,
        "headers": {f"x{n}": ["a"] for n in range(101)},
    }
    found = metric_template_problems({"metadata": {"name": "a"}, "spec": {"provider": provider, "query": "a" * 70_000}})
    assert sorted(problem.path for problem in found) == [
        "spec.provider.address",
        "spec.provider.headers",
        "spec.query",
    ]


@pytest.mark.parametrize(
    "build",  # in the test: every process that runs tests collects all of them
    [
        lambda: {str(number): {} for number in range(1_000_000)},
        lambda: {"analysis": [[]] * 1_000_000},
        lambda: nested(40, {str(number): "x" for number in range(9_000)}),
        lambda: nested(28, {str(number): {"k" * 1_000: "x"} for number in range(100)}),
    ],
    ids=["fields", "lists", "deep", "long"],
)
def test_what_is_too_large_is_refused_at_once(build: Callable[[], object]) -> None:
    spec = build()
    started_s = time.process_time()
    assert len(canary_problems({"metadata": {"name": "a"}, "spec": spec})) >= 1
    assert time.process_time() - started_s < 0.5


def test_of_many_places_that_are_too_large_the_first_are_told(canary_with: CanaryWith) -> None:
    hooks = [HOOK | {"name": "a" * 300} for _ in range(90)]
    assert len(canary_problems(canary_with({"analysis/webhooks": hooks}))) == 20
