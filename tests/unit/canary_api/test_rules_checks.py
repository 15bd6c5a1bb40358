"""The rules for metrics and hooks: the good Canary with one change has exactly that problem."""

from collections.abc import Mapping
from functools import partial

import pytest

from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.rules import metrics, webhooks
from canary.rules.canary import Rule
from canary.rules.urls import HTTP_URL
from tests.support.rule_cases import CanaryWith, Case, assert_only_problem, case_name

warning = partial(Problem, is_warning=True)


NEVER_ASKED = {"name": "gate", "type": "confirm-traffic-increase", "url": "http://gate.test/"}


CASES: list[Case] = [
    (
        metrics.metric_is_known,
        {"analysis/metrics/0/name": "success-rate"},
        Problem(
            "spec.analysis.metrics[0].name",
            "success-rate",
            "request-success-rate or request-duration; any other name needs a templateRef",
        ),
    ),
    (
        metrics.metric_has_a_threshold,
        {"analysis/metrics/1/thresholdRange": ...},
        Problem("spec.analysis.metrics[1].thresholdRange", None, "min or max; without one, at most 0 is good"),
    ),
    (
        metrics.metric_has_a_threshold,
        {"analysis/metrics/1/thresholdRange": {}},
        warning("spec.analysis.metrics[1].thresholdRange", {}, "min or max; without one, any value is good"),
    ),
    (
        metrics.metric_has_a_threshold,
        {"analysis/metrics/0/thresholdRange": ...},
        warning("spec.analysis.metrics[0].thresholdRange", None, "min or max; without one, any value is good"),
    ),
    (
        metrics.threshold_range_is_ordered,
        {"analysis/metrics/1/thresholdRange": {"min": 5, "max": 1}},
        Problem("spec.analysis.metrics[1].thresholdRange", {"min": 5, "max": 1}, "min that is not above max"),
    ),
    (
        metrics.success_rate_can_be_reached,
        {"analysis/metrics/0/thresholdRange": {"min": 999}},
        Problem("spec.analysis.metrics[0].thresholdRange.min", 999, "a percentage, at most 100"),
    ),
    (
        metrics.success_rate_can_be_reached,
        {"analysis/metrics/0": {"name": "request-success-rate", "threshold": 100.5}},
        Problem("spec.analysis.metrics[0].threshold", 100.5, "a percentage, at most 100"),
    ),
    (
        metrics.metric_interval_is_positive,
        {"analysis/metrics/0/interval": "0s"},
        Problem("spec.analysis.metrics[0].interval", "0s", "a duration such as 30s or 1m, more than 0s"),
    ),
    (
        metrics.metric_names_differ,
        {"analysis/metrics/2": {"name": "request-duration", "threshold": 9}},
        warning(
            "spec.analysis.metrics[2].name",
            "request-duration",
            "a name that no other metric of this analysis has; in events and exported series they look alike",
        ),
    ),
    (
        metrics.metrics_server_is_a_url,
        {"metricsServer": "prometheus:9090"},
        Problem("spec.metricsServer", "prometheus:9090", HTTP_URL),
    ),
    (
        metrics.metric_is_asked_once,
        {"analysis/metrics/0/templateRef": {"name": "t"}},
        warning(
            "spec.analysis.metrics[0].name",
            "request-success-rate",
            "a name of its own; the built-in check of this name is not run",
        ),
    ),
    (
        metrics.metric_is_asked_once,
        {"analysis/metrics/0": {"name": "own", "threshold": 1, "query": "up", "templateRef": {"name": "t"}}},
        warning("spec.analysis.metrics[0].query", "up", "nothing beside templateRef, which replaces it"),
    ),
    (
        metrics.metric_has_a_threshold,
        {"analysis/metrics/0": {"name": "own", "templateRef": {"name": "t"}}},
        warning("spec.analysis.metrics[0].thresholdRange", None, "min or max; without one, at most 0 is good"),
    ),
    (
        metrics.metric_has_a_threshold,
        {"analysis/metrics/0": {"name": "own", "templateRef": {"name": "t"}, "thresholdRange": {}}},
        warning("spec.analysis.metrics[0].thresholdRange", {}, "min or max; without one, any value is good"),
    ),
    (
        webhooks.hook_type_is_known,
        {"analysis/webhooks/0/type": "pre-rolout"},
        Problem(
            "spec.analysis.webhooks[0].type",
            "pre-rolout",
            "one of confirm-rollout, pre-rollout, rollout, confirm-traffic-increase, "
            "confirm-promotion, post-rollout, rollback, event",
        ),
    ),
    (
        webhooks.hook_url_can_be_called,
        {"analysis/webhooks/1/url": "ftp://loadtester.test/"},
        Problem("spec.analysis.webhooks[1].url", "ftp://loadtester.test/", HTTP_URL),
    ),
    (
        webhooks.hook_url_can_be_called,
        {"analysis/webhooks/1/url": "loadtester.test/"},
        Problem("spec.analysis.webhooks[1].url", "loadtester.test/", HTTP_URL),
    ),
    (
        webhooks.hook_url_can_be_called,
        {"analysis/webhooks/1/url": "http://[::1/"},
        Problem("spec.analysis.webhooks[1].url", "http://[::1/", HTTP_URL),
    ),
    (
        webhooks.hook_names_differ,
        {"analysis/webhooks/2": {"name": "load", "url": "http://x/", "type": "rollout"}},
        warning("spec.analysis.webhooks[2].name", "load", "a name that no other webhook of this analysis has"),
    ),
    *(
        (
            webhooks.hook_names_differ,
            {f"analysis/webhooks/{place}": {"name": "gate", "url": "http://x/", "type": kind} for place in (2, 3)},
            Problem(
                "spec.analysis.webhooks[3].name",
                "gate",
                "a name that no other webhook of this analysis has; "
                f"a yes of one {kind} hook would count for all of this name",
            ),
        )
        for kind in ("confirm-rollout", "pre-rollout", "confirm-traffic-increase", "confirm-promotion")
    ),
    (
        webhooks.hook_timeout_has_an_end,
        {"analysis/webhooks/0/timeout": "0s"},
        warning("spec.analysis.webhooks[0].timeout", "0s", "a duration such as 5s or 1m, more than 0s; read as 10s"),
    ),
    (
        webhooks.hook_names_differ,
        {"analysis/webhooks/2": {"name": "load", "url": "http://x/", "type": "event"}},
        warning("spec.analysis.webhooks[2].name", "load", "a name that no other webhook of this analysis has"),
    ),
    (
        metrics.metric_settings_are_read,
        {"analysis/metrics/0/templateVariables": {"a": "b"}},
        warning(
            "spec.analysis.metrics[0].templateVariables",
            {"a": "b"},
            "nothing without a templateRef, whose query they are for",
        ),
    ),
    (
        metrics.metric_settings_are_read,
        {"analysis/metrics/0": {"name": "m", "templateRef": {"name": "t"}, "threshold": 1, "minRequests": 5}},
        warning(
            "spec.analysis.metrics[0].minRequests",
            5,
            "nothing beside a query of your own; only request-success-rate and request-duration count requests",
        ),
    ),
    (
        webhooks.hook_has_a_name,
        {"analysis/webhooks/0/name": " "},
        warning(
            "spec.analysis.webhooks[0].name",
            " ",
            "a name, for events, alerts and the answers that are kept go by it",
        ),
    ),
    *(
        (
            metrics.builtin_checks_have_requests,
            {"analysis": {"iterations": 3, "threshold": 1, "metrics": [{"name": "request-success-rate"} | fields]}},
            warning(
                "spec.analysis.metrics[0].onNoData",
                found,
                "pass, or mirror: true: this check sees what Gloo's Envoy routes to the canary, not what goes to its "
                f"Service, and with iterations nobody is routed there before their end; the run is rolled back {end}",
            ),
        )
        for fields, found, end in (
            ({"threshold": 99}, None, "after 600 s without data"),
            ({"threshold": 99, "onNoData": "hold"}, "hold", "after 600 s without data"),
            ({"threshold": 99, "onNoData": "fail"}, "fail", "after as many checks without data as threshold says"),
        )
    ),
    *(
        (
            webhooks.hook_is_asked,
            {"analysis": {"iterations": 3, "threshold": 1, "webhooks": [NEVER_ASKED]} | more},
            warning(
                "spec.analysis.webhooks[0].type",
                "confirm-traffic-increase",
                "another type beside iterations: only a weight that grows in steps is asked for, so nobody asks this",
            ),
        )
        for more in ({}, {"match": [{"headers": {"a": {"exact": "1"}}}]})
    ),
    (
        webhooks.hook_mutes_an_alert,
        {"analysis/webhooks/0/muteAlert": True},
        warning(
            "spec.analysis.webhooks[0].muteAlert",
            found=True,
            allowed="nothing but on confirm-rollout, confirm-traffic-increase, confirm-promotion; "
            "no other type of hook alerts by itself",
        ),
    ),
    (
        webhooks.hook_url_can_be_called,
        {"analysis/webhooks/1/url": "http://load tester.test/"},
        Problem("spec.analysis.webhooks[1].url", "http://load tester.test/", HTTP_URL),
    ),
    (
        webhooks.hook_without_tls_disables_none,
        {"analysis/webhooks/0/disableTLS": True},
        warning(
            "spec.analysis.webhooks[0].disableTLS",
            found=True,
            allowed="nothing; a URL with http:// has no TLS to be disabled",
        ),
    ),
]


@pytest.mark.parametrize(("rule", "changes", "problem"), CASES, ids=case_name)
def test_the_rule_tells_where_what_was_found_and_what_is_allowed(
    canary_with: CanaryWith, rule: Rule, changes: Mapping[str, object], problem: Problem
) -> None:
    assert_only_problem(Canary.model_validate(canary_with(changes)), rule, problem)
