"""The rules for Gloo: the good Canary with one change has exactly that problem, and what is just right has none."""

from collections.abc import Mapping
from functools import partial

import pytest

from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.rules import gloo
from canary.rules.canary import Rule, check_canary
from tests.support.rule_cases import CanaryWith, Case, ab_test, assert_only_problem, case_name

warning = partial(Problem, is_warning=True)


CASES: list[Case] = [
    *(
        (
            gloo.fields_mean_something_on_gloo,
            {f"service/{field}": value},
            warning(f"spec.service.{field}", value, "nothing; it is ignored on Gloo"),
        )
        for field, value in (
            ("hosts", ["a.io"]),
            ("delegation", True),
            ("gateways", ["mesh"]),
            ("gatewayRefs", [{"name": "g"}]),
            ("trafficPolicy", {"tls": {}}),
            ("meshName", "m"),
            ("backends", ["b"]),
            ("match", [{"uri": {"prefix": "/"}}]),
            ("mirror", [{"backendRef": {}}]),
            ("backendTimeout", "5s"),
        )
    ),
    (
        gloo.fields_mean_something_on_gloo,
        {"ingressRef": {"name": "i"}},
        warning("spec.ingressRef", {"name": "i"}, "nothing; it is ignored on Gloo"),
    ),
    (
        gloo.fields_mean_something_on_gloo,
        {"routeRef": {"name": "r"}},
        warning("spec.routeRef", {"name": "r"}, "nothing; it is ignored on Gloo"),
    ),
    (
        gloo.upstream_is_gloos,
        {"upstreamRef": {"apiVersion": "gloo.solo.io/v1", "kind": "Service", "name": "a"}},
        Problem("spec.upstreamRef.kind", "Service", "Upstream"),
    ),
    (
        gloo.upstream_is_gloos,
        {"upstreamRef": {"apiVersion": "gloo.solo.io/v2", "kind": "Upstream", "name": "a"}},
        warning("spec.upstreamRef.apiVersion", "gloo.solo.io/v2", "gloo.solo.io/v1, which it is read as"),
    ),
    (
        gloo.upstream_is_not_a_generated_one,
        {"upstreamRef": {"kind": "Upstream", "name": "test-podinfo-canaryupstream-9898"}},
        Problem(
            "spec.upstreamRef.name",
            "test-podinfo-canaryupstream-9898",
            "an Upstream of your own; this one is made from it",
        ),
    ),
]

NO_PROBLEM: list[Mapping[str, object]] = [
    ab_test({"uri": {"regex": "/v[12]/.*"}}, {"uri": {"exact": "/V2"}, "ignoreUriCase": True}),
    {"service/corsPolicy": {"allowOrigins": [{"suffix": ".example.com"}, {"present": True}]}},
    {"analysis/sessionAffinity": {"cookieName": "x" * 55}},
    {"analysis/webhooks/0": {"name": "a", "type": "confirm-traffic-increase", "url": "http://a/", "muteAlert": True}},
    {"analysis": {"iterations": 3, "metrics": [{"name": "request-duration", "threshold": 1, "onNoData": "pass"}]}},
    {"analysis": {"iterations": 3, "mirror": True, "metrics": [{"name": "request-duration", "threshold": 1}]}},
    {"analysis": {"iterations": 3, "metrics": [{"name": "request-duration", "threshold": 1}]}, "skipAnalysis": True},
    {"analysis/metrics/1/thresholdRange": {"min": 5, "max": 5}},
    {"analysis/metrics/0/thresholdRange": {"min": 100}},
    {"analysis/metrics/0": {"name": "request-success-rate", "threshold": 99}},
    {"analysis/webhooks/0/url": "https://user:secret@[::1]:8443/x?y=z"},
    ab_test({"headers": {"a": {"suffix": "z"}, "b": {"present": True}}, "method": {"exact": "PUT"}}),
    ab_test({"queryParams": {"a": {"regex": "^[a-z]+$"}}, "uri": {"prefix": "/x"}}),
    ab_test({"headers": {":authority": {"exact": "a"}, "x": {"present": False}}, "queryParams": {"é": {"exact": ""}}}),
    {"analysis/webhooks/0": {"name": "a", "type": "pre-rollout", "url": "https://a/", "disableTLS": True}},
    {"upstreamRef": {"kind": "Upstream", "name": "test-podinfo-canaryupstream-9898", "namespace": "other"}},
]


@pytest.mark.parametrize(("rule", "changes", "problem"), CASES, ids=case_name)
def test_the_rule_tells_where_what_was_found_and_what_is_allowed(
    canary_with: CanaryWith, rule: Rule, changes: Mapping[str, object], problem: Problem
) -> None:
    assert_only_problem(Canary.model_validate(canary_with(changes)), rule, problem)


@pytest.mark.parametrize("changes", NO_PROBLEM, ids=str)
def test_the_good_side_of_a_border_is_no_problem(canary_with: CanaryWith, changes: Mapping[str, object]) -> None:
    assert check_canary(Canary.model_validate(canary_with(changes))) == ()
