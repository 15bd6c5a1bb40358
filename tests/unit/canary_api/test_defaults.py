"""Defaults made visible: they say what the model reads anyway, and touch nothing that is there."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.defaults import canary_defaults, derived_defaults
from canary.rules.shape import parse_canary

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
FIELDS = ("provider", "targetRef", "service", "analysis", "canaryAnalysis", "name", "port", "portName", "interval")
SHAPED = st.recursive(JSON, lambda inner: st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6), max_leaves=12)


def defaulted(obj: Mapping[str, Any]) -> dict[str, Any]:
    result = deepcopy(dict(obj))
    for path, value in canary_defaults(obj):
        holder = result
        for part in path[:-1]:
            holder = holder[part]
        assert path[-1] not in holder
        holder[path[-1]] = value
    return result


def test_a_canary_that_says_the_least_gets_what_it_is_read_with() -> None:
    least = {
        "metadata": {"name": "a"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "service": {"port": 80},
            "analysis": {"stepWeight": 10},
        },
    }
    assert defaulted(least)["spec"] == {
        "provider": "gloo",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "service": {"port": 80, "name": "web", "portName": "http", "targetPort": 80},
        "analysis": {"stepWeight": 10, "interval": "60s", "threshold": 1},
    }


def test_the_model_reads_the_same_with_its_defaults_and_without(example: dict[str, Any]) -> None:
    canary, visible = parse_canary(example), parse_canary(defaulted(example))
    for read in ("provider", "apex_name", "interval_s", "threshold", "strategy", "max_weight", "is_analysis_skipped"):
        assert getattr(visible, read) == getattr(canary, read), read
    assert visible.spec.service.target_port_effective == canary.spec.service.target_port_effective
    assert visible.spec.service.port_name_effective == canary.spec.service.port_name_effective


def test_what_is_written_stays(canary_with: CanaryWith) -> None:
    written = {
        "provider": "gloo",
        "service": {"port": 80, "name": "apex", "portName": "grpc", "targetPort": "web"},
        "analysis": {"stepWeight": 1, "interval": "", "threshold": 0},
    }
    assert canary_defaults(canary_with(written)) == ()


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        (
            {"analysis": ..., "canaryAnalysis": {"stepWeight": 5}},
            {"canaryAnalysis.interval", "canaryAnalysis.threshold"},
        ),
        (
            {"canaryAnalysis": {"stepWeight": 5}, "analysis": {"stepWeight": 1}},
            {"analysis.interval", "analysis.threshold"},
        ),
        ({"analysis": ...}, set()),
        ({"service": ...}, set()),
    ],
)
def test_defaults_go_where_they_are_read(
    canary_with: CanaryWith, changes: Mapping[str, object], fields: set[str]
) -> None:
    found = {".".join(path[1:]) for path, _ in canary_defaults(canary_with(changes))}
    assert {field for field in found if "nalysis" in field} == fields


@given(st.dictionaries(st.sampled_from(["spec", "metadata"]), SHAPED))
def test_any_object_gets_its_defaults_once_and_loses_nothing(obj: dict[str, Any]) -> None:
    once = defaulted(obj)
    assert canary_defaults(once) == ()
    assert _is_within(obj, once)
    derived_defaults(obj)


def _is_within(small: Any, large: Any) -> bool:
    if isinstance(small, dict):
        return isinstance(large, dict) and all(key in large and _is_within(small[key], large[key]) for key in small)
    return bool(small == large)
