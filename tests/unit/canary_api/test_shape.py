import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from canary.api.problems import InvalidObject
from canary.rules.shape import canary_problems, parse_alert_provider, parse_canary, parse_metric_template
from canary.rules.urls import HTTP_URL

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]


def _problems(parse: Callable[[Mapping[str, Any]], object], obj: Mapping[str, Any]) -> list[str]:
    with pytest.raises(InvalidObject) as caught:
        parse(obj)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"targetRef": ...},
            (
                "spec.targetRef: found nothing; allowed: the workload to release: its apiVersion, kind (Deployment or "
                "DaemonSet) and name"
            ),
        ),
        ({"targetRef": 5}, "spec.targetRef: found 5; allowed: an object"),
        ({"targetRef/name": ...}, "spec.targetRef.name: found nothing; allowed: the name of the workload to release"),
        ({"suspend": "yes"}, "spec.suspend: found 'yes'; allowed: true or false"),
        ({"analysis/stepWeight": "5"}, "spec.analysis.stepWeight: found '5'; allowed: a whole number"),
        ({"analysis/stepWeight": 2.5}, "spec.analysis.stepWeight: found 2.5; allowed: a whole number"),
        ({"analysis/stepWeight": True}, "spec.analysis.stepWeight: found true; allowed: a whole number"),
        ({"analysis/iterations": -1}, "spec.analysis.iterations: found -1; allowed: 0 or more"),
        ({"analysis/metrics": {}}, "spec.analysis.metrics: found {}; allowed: a list"),
        ({"analysis/metrics/1": None}, "spec.analysis.metrics[1]: found nothing; allowed: an object"),
        (
            {"analysis/metrics/1/thresholdRange": {"min": "low"}},
            "spec.analysis.metrics[1].thresholdRange.min: found 'low'; allowed: a number",
        ),
        (
            {"analysis/metrics/0/onNoData": "wait"},
            "spec.analysis.metrics[0].onNoData: found 'wait'; allowed: one of 'hold', 'fail' or 'pass'",
        ),
        ({"analysis/metrics/0/minRequests": -2}, "spec.analysis.metrics[0].minRequests: found -2; allowed: 0 or more"),
        (
            {"analysis/interval": "5x"},
            "spec.analysis.interval: found '5x'; allowed: a duration such as 30s or 1m30s, at least 1s",
        ),
        (
            {"analysis/interval": "999ms"},
            "spec.analysis.interval: found '999ms'; allowed: a duration such as 30s or 1m30s, at least 1s",
        ),
        (
            {"analysis/webhooks/0/timeout": "-5s"},
            "spec.analysis.webhooks[0].timeout: found '-5s'; allowed: a duration such as 30s or 1m30s",
        ),
        ({"service/targetPort": [80]}, "spec.service.targetPort: found [80]; allowed: a port number or a port name"),
        (
            {"service/apex": {"annotations": {"a.io/b": 1}}},
            'spec.service.apex.annotations[a.io/b]: found 1; allowed: a text, in quotes: "1"',
        ),
    ],
)
def test_each_misshapen_value_is_told_with_path_found_and_allowed(
    canary_with: CanaryWith, changes: Mapping[str, object], problem: str
) -> None:
    assert _problems(parse_canary, canary_with(changes)) == [problem]


def test_all_problems_of_shape_and_rules_are_told_at_once(canary_with: CanaryWith) -> None:
    obj = canary_with(
        {
            "targetRef/kind": "Pod",
            "service/port": ...,
            "analysis/interval": "soon",
            "analysis/metrics/0": {"thresholdRange": {"min": "x"}},
            "analysis/webhooks/1/url": "loadtester",
        }
    )
    assert [problem.split(":")[0] for problem in _problems(parse_canary, obj)] == [
        "spec.analysis.interval",
        "spec.analysis.metrics[0].name",
        "spec.analysis.metrics[0].thresholdRange.min",
        "spec.targetRef.kind",
        "spec.service.port",
        "spec.analysis.webhooks[1].url",
    ]


def test_a_rule_does_not_speak_of_what_is_misshapen(canary_with: CanaryWith) -> None:
    """Without its stepWeight the analysis would have no end, but it has one: it is only written wrong."""
    problems = _problems(parse_canary, canary_with({"analysis/stepWeight": "5%", "targetRef/kind": "Pod"}))
    assert [problem.split(":")[0] for problem in problems] == ["spec.analysis.stepWeight", "spec.targetRef.kind"]


def test_warnings_do_not_refuse(canary_with: CanaryWith) -> None:
    assert parse_canary(canary_with({"service/hosts": ["a.example.com"]})).spec.service.hosts == ("a.example.com",)


def test_what_is_refused_only_as_it_is_applied_does_not_stop_what_is_stored(canary_with: CanaryWith) -> None:
    obj = canary_with({"analysis/threshold": -1})
    (problem,) = canary_problems(obj)
    assert (problem.path, problem.is_warning, problem.stops_runs) == ("spec.analysis.threshold", False, False)
    assert parse_canary(obj).threshold == 1


def test_an_object_without_anything_is_named_as_well_as_can_be() -> None:
    with pytest.raises(InvalidObject) as caught:
        parse_canary({"metadata": [], "spec": {}})
    assert (caught.value.kind, caught.value.namespace, caught.value.name) == ("Canary", "default", "(without a name)")


@pytest.mark.parametrize(
    "changes",
    [
        {"analysis/stepWeights": [1] * 10_000},
        {"analysis/metrics": [{"name": number} for number in range(20_000)]},
        {"analysis/webhooks": [[]] * 20_000},
    ],
)
def test_an_object_of_more_values_than_anybody_writes_is_not_read(
    canary_with: CanaryWith, changes: Mapping[str, object]
) -> None:
    problems = _problems(parse_canary, canary_with(changes))
    assert problems == ["spec: found more than 10000 values; allowed: at most 10000 in all"]


def test_a_hundred_entries_are_read(canary_with: CanaryWith) -> None:
    entries = [{"name": f"m{number}", "templateRef": {"name": "t"}, "threshold": 1} for number in range(100)]
    canary = parse_canary(canary_with({"analysis/metrics": entries}))
    assert canary.analysis is not None
    assert len(canary.analysis.metrics) == 100


def test_many_misshapen_values_take_no_time(canary_with: CanaryWith) -> None:
    match = [{"headers": {f"x{number}": {"exact": 5} for number in range(60)}}] * 40
    started_s = time.process_time()
    assert len(_problems(parse_canary, canary_with({"analysis/match": match}))) == 2_400
    assert time.process_time() - started_s < 2


def test_the_object_is_left_as_it_is(canary_with: CanaryWith) -> None:
    obj = canary_with({"analysis/metrics/0": {"interval": 5}})
    _problems(parse_canary, obj)
    assert obj == canary_with({"analysis/metrics/0": {"interval": 5}})


def _template(**changes: object) -> dict[str, Any]:
    spec = {"provider": {"type": "prometheus", "address": "http://prometheus:9090"}, "query": "up"} | changes
    return {"metadata": {"name": "m", "namespace": "test"}, "spec": spec}


def test_a_metric_template_parses() -> None:
    provider = {
        "type": "prometheus",
        "address": "https://p.example.com",
        "headers": {"X-Scope": ["a", "b"]},
        "secretRef": {"name": "s"},
        "region": "eu",
        "insecureSkipVerify": True,
    }
    template = parse_metric_template(_template(provider=provider))
    read = template.spec.provider
    assert (template.spec.query, read.headers, read.insecure_skip_verify) == ("up", {"X-Scope": ("a", "b")}, True)
    assert read.secret_ref is not None
    assert read.secret_ref.name == "s"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"query": " "}, "spec.query: found ' '; allowed: a query in the language of the provider"),
        (
            {"provider": {"type": "prometheus"}},
            f"spec.provider.address: found nothing; allowed: {HTTP_URL}",
        ),
        (
            {"provider": {"type": "prometheus", "address": "prometheus:9090"}},
            f"spec.provider.address: found 'prometheus:9090'; allowed: {HTTP_URL}",
        ),
        (
            {"provider": {"type": "graphite", "address": "http://graphite", "headers": {"a": "b"}}},
            "spec.provider.headers.a: found 'b'; allowed: a list",
        ),
    ],
)
def test_a_bad_metric_template_is_refused(changes: dict[str, object], problem: str) -> None:
    assert _problems(parse_metric_template, _template(**changes)) == [problem]


def test_an_unknown_metric_provider_is_refused_with_the_known_ones() -> None:
    (problem,) = _problems(parse_metric_template, _template(provider={"type": "abacus"}))
    assert problem.startswith("spec.provider.type: found 'abacus'; allowed: one of 'prometheus', 'influxdb'")


def test_an_alert_provider_parses() -> None:
    spec = {"type": "slack", "channel": "alerts", "username": "serin", "address": "https://hooks.example.com/x"}
    assert parse_alert_provider({"metadata": {"name": "a"}, "spec": spec}).spec.channel == "alerts"
    both = {"type": "discord", "secretRef": {"name": "s"}, "address": "https://x/"}
    assert parse_alert_provider({"metadata": {"name": "a"}, "spec": both}).spec.secret_ref is not None


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"type": "slack"}, "spec.address"),
        ({"type": "slack", "address": "hooks.example.com"}, "spec.address"),
        ({"type": "slack", "secretRef": {"name": "s"}, "proxy": "proxy:3128"}, "spec.proxy"),
        ({"type": "pager", "address": "https://x/"}, "spec.type"),
    ],
)
def test_a_bad_alert_provider_is_refused(spec: dict[str, object], path: str) -> None:
    (problem,) = _problems(parse_alert_provider, {"metadata": {"name": "a"}, "spec": spec})
    assert problem.startswith(f"{path}: found ")
