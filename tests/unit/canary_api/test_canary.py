from collections.abc import Callable, Mapping
from typing import Any

import pytest

from canary.api.canary import Canary
from canary.rules.shape import parse_canary

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]


def test_every_example_parses(example: dict[str, Any]) -> None:
    canary = parse_canary(example)
    assert canary.name == example["metadata"]["name"]


def test_metadata_is_read(canary_with: CanaryWith) -> None:
    obj = canary_with({})
    obj["metadata"] |= {"labels": {"a": "b"}, "annotations": {"c": "d"}}
    canary = parse_canary(obj)
    assert (canary.namespace, canary.name, canary.uid, canary.generation) == ("test", "podinfo", "u-1", 3)
    assert (canary.labels, canary.annotations) == ({"a": "b"}, {"c": "d"})


def test_unknown_fields_are_kept_and_status_is_not_read(canary_with: CanaryWith) -> None:
    obj = canary_with({"analysis/futureField": {"x": [1]}}) | {"status": {"phase": 7}}
    canary = parse_canary(obj)
    assert canary.analysis is not None
    assert canary.analysis.model_extra == {"futureField": {"x": [1]}}
    assert canary == parse_canary({key: obj[key] for key in ("metadata", "spec")})


def test_nulls_are_absent_and_whole_floats_are_whole_numbers(canary_with: CanaryWith) -> None:
    canary = parse_canary(canary_with({"analysis/stepWeight": 5.0, "analysis/match": None, "service/name": None}))
    assert canary.analysis is not None
    assert (canary.analysis.step_weight, canary.analysis.match, canary.apex_name) == (5, (), "podinfo")


def test_defaults_are_flaggers(canary_with: CanaryWith) -> None:
    canary = parse_canary(canary_with({"analysis": {"stepWeight": 10}}))
    assert (canary.provider, canary.interval_s, canary.threshold) == ("gloo", 60, 1)
    assert (canary.progress_deadline_s, canary.max_weight, canary.total_weight) == (600, 100, 100)
    assert (canary.primary_ready_threshold, canary.canary_ready_threshold) == (100, 100)
    assert (canary.spec.service.port_name_effective, canary.spec.service.target_port_effective) == ("http", 9898)
    assert canary.analysis is not None
    assert (canary.analysis.unobserved_deadline_seconds, canary.analysis.drain_seconds) == (600, 30)


def test_written_values_go_before_defaults(canary_with: CanaryWith) -> None:
    canary = parse_canary(
        canary_with(
            {
                "progressDeadlineSeconds": 30,
                "service/name": "apex",
                "service/portName": "grpc",
                "service/targetPort": "web",
                "analysis/interval": "1.5s",
                "analysis/primaryReadyThreshold": 0,
                "analysis/canaryReadyThreshold": 40,
            }
        )
    )
    assert (canary.progress_deadline_s, canary.interval_s, canary.threshold) == (30, 1.5, 5)
    assert (canary.primary_ready_threshold, canary.canary_ready_threshold) == (0, 40)
    assert canary.apex_name == "apex"
    assert (canary.spec.service.port_name_effective, canary.spec.service.target_port_effective) == ("grpc", "web")


@pytest.mark.parametrize(
    ("analysis", "strategy"),
    [
        ({"stepWeight": 5}, "canary"),
        ({"iterations": 2}, "blue-green"),
        ({"iterations": 2, "match": [{"headers": {"x": {"exact": "y"}}}]}, "ab-testing"),
        (..., "canary"),
    ],
)
def test_strategy_follows_from_iterations_and_match(canary_with: CanaryWith, analysis: object, strategy: str) -> None:
    assert parse_canary(canary_with({"analysis": analysis})).strategy == strategy


@pytest.mark.parametrize(
    ("analysis", "max_weight"),
    [
        ({"stepWeight": 5, "maxWeight": 50}, 50),
        ({"stepWeight": 5}, 100),
        ({"stepWeights": [1, 30]}, 30),
        ({"stepWeights": [1, 30], "maxWeight": 60}, 30),
        (..., 100),
    ],
)
def test_max_weight_is_the_last_step_else_as_written(
    canary_with: CanaryWith, analysis: object, max_weight: int
) -> None:
    assert parse_canary(canary_with({"analysis": analysis})).max_weight == max_weight


def test_analysis_is_skipped_when_absent_or_told_so(canary_with: CanaryWith) -> None:
    assert not parse_canary(canary_with({})).is_analysis_skipped
    assert parse_canary(canary_with({"skipAnalysis": True})).is_analysis_skipped
    assert parse_canary(canary_with({"analysis": ...})).is_analysis_skipped


def test_the_old_name_of_analysis_is_read_where_the_new_one_is_absent(canary_with: CanaryWith) -> None:
    old = parse_canary(canary_with({"analysis": ..., "canaryAnalysis": {"stepWeight": 7, "interval": "30s"}}))
    assert (old.analysis_path, old.interval_s, old.is_analysis_skipped) == ("spec.canaryAnalysis", 30, False)
    both = parse_canary(canary_with({"canaryAnalysis": {"stepWeight": 7, "interval": "30s"}}))
    assert (both.analysis_path, both.interval_s) == ("spec.analysis", 10)


def test_hooks_and_alerts_have_flaggers_defaults() -> None:
    hook = {"name": "h", "url": "http://h/", "disableTLS": True}
    alert = {"name": "a", "providerRef": {"name": "p"}}
    canary = Canary.model_validate(
        {
            "metadata": {"name": "c"},
            "spec": {"targetRef": {"name": "t"}, "analysis": {"webhooks": [hook], "alerts": [alert]}},
        }
    )
    assert canary.analysis is not None
    (read,) = canary.analysis.webhooks
    assert (read.type_effective, read.timeout_s, read.retries, read.disable_tls) == ("rollout", 10, 0, True)
    assert canary.analysis.alerts[0].severity_effective == "info"


def test_durations_are_kept_as_written_and_given_in_seconds(canary_with: CanaryWith) -> None:
    service = {"port": 80, "timeout": "15s", "retries": {"perTryTimeout": "500ms"}, "corsPolicy": {"maxAge": "24h"}}
    canary = parse_canary(canary_with({"service": service, "analysis/webhooks/0/timeout": "0s"}))
    read = canary.spec.service
    assert (read.timeout, read.timeout_s) == ("15s", 15)
    assert read.retries is not None
    assert read.retries.per_try_timeout_s == 0.5
    assert read.cors_policy is not None
    assert read.cors_policy.max_age_s == 86_400
    assert canary.analysis is not None
    assert canary.analysis.metrics[1].interval_s == 30
    assert canary.analysis.webhooks[0].timeout_s == 10


def test_a_cookies_life_of_zero_is_a_day(canary_with: CanaryWith) -> None:
    for max_age, expected_s in ((0, 86_400), (60, 60)):
        canary = parse_canary(canary_with({"analysis/sessionAffinity": {"cookieName": "c", "maxAge": max_age}}))
        assert canary.analysis is not None
        assert canary.analysis.session_affinity is not None
        assert canary.analysis.session_affinity.max_age_s == expected_s
