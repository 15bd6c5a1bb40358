"""The rules for target, services and analysis: a good Canary, changed in one place, has exactly one problem."""

from collections.abc import Mapping
from functools import partial

import pytest

from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.rules import analysis, service, target
from canary.rules.canary import Rule, check_canary
from canary.rules.http_syntax import LABEL_VALUE, QUALIFIED_NAME
from canary.rules.shape import parse_canary
from tests.support.rule_cases import CanaryWith, Case, assert_only_problem, case_name

warning = partial(Problem, is_warning=True)

NAME = "lower-case letters, digits and '-', at most 55, for services are named after it"
LONG_NAME = "a" * 56

CASES: list[Case] = [
    (
        target.target_kind_is_known,
        {"targetRef/kind": "Service"},
        Problem("spec.targetRef.kind", "Service", "Deployment or DaemonSet"),
    ),
    (
        target.target_is_not_a_primary,
        {"targetRef/name": "podinfo-primary"},
        warning(
            "spec.targetRef.name",
            "podinfo-primary",
            "the workload that you change, not a primary; the primary of this one is podinfo-primary-primary",
        ),
    ),
    (
        target.target_is_not_a_primary,
        {"targetRef/name": "web-primary", "service/name": "web"},
        warning(
            "spec.targetRef.name",
            "web-primary",
            "the workload that you change, not a primary; the primary of this one is web-primary-primary",
        ),
    ),
    (target.apex_can_name_services, {"targetRef/name": "pod.info"}, Problem("spec.targetRef.name", "pod.info", NAME)),
    (target.apex_can_name_services, {"service/name": LONG_NAME}, Problem("spec.service.name", LONG_NAME, NAME)),
    *(
        (
            target.copies_can_be_named,
            {"service/name": "podinfo", f"{field}/name": "a" * 246},
            Problem(f"spec.{field}.name", "a" * 246, "at most 245 characters, for its primary is named {name}-primary"),
        )
        for field in ("targetRef", "autoscalerRef")
    ),
    (
        target.autoscaler_kind_is_known,
        {"autoscalerRef/kind": "VerticalPodAutoscaler"},
        Problem("spec.autoscalerRef.kind", "VerticalPodAutoscaler", "HorizontalPodAutoscaler or ScaledObject"),
    ),
    (
        target.autoscaler_bounds_are_ordered,
        {"autoscalerRef/primaryScalerReplicas": {"minReplicas": 5, "maxReplicas": 2}},
        Problem(
            "spec.autoscalerRef.primaryScalerReplicas",
            {"minReplicas": 5, "maxReplicas": 2},
            "minReplicas that is not above maxReplicas",
        ),
    ),
    (
        target.autoscaler_version_is_served,
        {"autoscalerRef/apiVersion": "autoscaling/v2beta2"},
        warning("spec.autoscalerRef.apiVersion", "autoscaling/v2beta2", "autoscaling/v2, which it is read as"),
    ),
    (
        target.autoscaler_is_not_the_primarys,
        {"autoscalerRef/name": "podinfo-primary"},
        warning("spec.autoscalerRef.name", "podinfo-primary", "the target's autoscaler; the primary's is made from it"),
    ),
    (service.port_is_in_range, {"service/port": ...}, Problem("spec.service.port", None, "a port from 1 to 65535")),
    (service.port_is_in_range, {"service/port": 0}, Problem("spec.service.port", 0, "a port from 1 to 65535")),
    (service.port_is_in_range, {"service/port": 65_536}, Problem("spec.service.port", 65536, "a port from 1 to 65535")),
    (
        service.target_port_is_a_port,
        {"service/targetPort": 70_000},
        Problem(
            "spec.service.targetPort",
            70000,
            "a port from 1 to 65535, or the name of a container's port (a-z, 0-9 and '-', at most 15)",
        ),
    ),
    (
        service.target_port_is_a_port,
        {"service/targetPort": "9898"},
        Problem(
            "spec.service.targetPort",
            "9898",
            "9898 without quotes: with them it is the name of a container's port",
        ),
    ),
    (
        service.traffic_distribution_is_known,
        {"service/trafficDistribution": "Near"},
        Problem("spec.service.trafficDistribution", "Near", "one of PreferClose, PreferSameZone, PreferSameNode"),
    ),
    (
        analysis.threshold_can_be_reached,
        {"analysis/threshold": -1},
        Problem("spec.analysis.threshold", -1, "1 or more failed checks (0 is read as 1)", spares_stored=True),
    ),
    (
        analysis.percentages_are_percentages,
        {"analysis/maxWeight": 101},
        Problem("spec.analysis.maxWeight", 101, "a percentage from 0 to 100"),
    ),
    (
        analysis.percentages_are_percentages,
        {"analysis/stepWeight": -5},
        Problem("spec.analysis.stepWeight", -5, "a percentage from 0 to 100"),
    ),
    (
        analysis.percentages_are_percentages,
        {"analysis/canaryReadyThreshold": 150},
        Problem("spec.analysis.canaryReadyThreshold", 150, "a percentage from 0 to 100"),
    ),
    (
        analysis.step_weights_are_steps,
        {"analysis/stepWeights": []},
        warning("spec.analysis.stepWeights", [], "at least one weight, e.g. [5, 20, 50], or nothing"),
    ),
    *(
        (
            analysis.percentages_are_percentages,
            {f"analysis/{field}": percent, "analysis/mirror": True},
            warning(f"spec.analysis.{field}", percent, "a percentage from 0 to 100; read as 100"),
        )
        for field, percent in (
            ("stepWeight", 150),
            ("stepWeightPromotion", 101),
            ("mirrorWeight", 150),
            ("maxWeight", -1),
        )
    ),
    (
        analysis.analysis_can_end,
        {"analysis": {"stepWeights": []}},
        Problem(
            "spec.analysis",
            {"stepWeights": []},
            "one of stepWeight, stepWeights, steps and iterations, for without them the analysis has no end",
        ),
    ),
    (
        analysis.step_weights_are_steps,
        {"analysis/stepWeight": ..., "analysis/maxWeight": ..., "analysis/stepWeights": [10, 120]},
        warning("spec.analysis.stepWeights[1]", 120, "a weight from 1 to 100; read as 100"),
    ),
    (
        analysis.step_weights_are_steps,
        {"analysis/stepWeight": ..., "analysis/maxWeight": ..., "analysis/stepWeights": [0, 20]},
        warning(
            "spec.analysis.stepWeights[0]",
            0,
            "a weight from 1 to 100; with 0 nobody is routed to the canary, and it is left out",
        ),
    ),
    (
        analysis.step_weights_are_steps,
        {"analysis/stepWeight": ..., "analysis/maxWeight": ..., "analysis/stepWeights": [-1, 20]},
        Problem("spec.analysis.stepWeights[0]", -1, "a weight from 1 to 100"),
    ),
    (
        analysis.steps_are_given_once,
        {"analysis/maxWeight": ..., "analysis/stepWeights": [10, 20]},
        warning(
            "spec.analysis.stepWeight",
            5,
            "either stepWeight or stepWeights; with both, the weight grows by stepWeight up to the last of stepWeights "
            "(20)",
        ),
    ),
    (
        analysis.iterations_stand_alone,
        {"analysis/iterations": 10, "analysis/maxWeight": ...},
        warning(
            "spec.analysis.stepWeight",
            5,
            "nothing beside iterations, which go before it: this is a blue/green release",
        ),
    ),
    (
        analysis.iterations_stand_alone,
        {
            "analysis/iterations": 10,
            "analysis/stepWeight": ...,
            "analysis/match": [{"headers": {"x": {"exact": "y"}}}],
        },
        warning("spec.analysis.maxWeight", 50, "nothing beside iterations, which go before it: this is an A/B test"),
    ),
    (
        analysis.match_has_iterations,
        {"analysis/match": [{"headers": {"x": {"exact": "y"}}}]},
        warning(
            "spec.analysis.iterations",
            None,
            "1 or more for an A/B test; without iterations the weight grows in steps, among the requests that match",
        ),
    ),
    (
        analysis.analysis_can_end,
        {"analysis": {"match": [{"headers": {"x": {"exact": "y"}}}]}},
        Problem(
            "spec.analysis",
            None,
            "one of stepWeight, stepWeights, steps and iterations, for without them the analysis has no end",
        ),
    ),
    (
        analysis.analysis_can_end,
        {"analysis": {"threshold": 5}},
        Problem(
            "spec.analysis",
            None,
            "one of stepWeight, stepWeights, steps and iterations, for without them the analysis has no end",
        ),
    ),
    (
        analysis.analysis_is_given_once,
        {"canaryAnalysis": {"stepWeight": 1}},
        warning("spec.canaryAnalysis", {"stepWeight": 1}, "nothing beside spec.analysis, which replaces it"),
    ),
    (
        analysis.step_fits_under_max_weight,
        {"analysis/stepWeight": 60},
        warning("spec.analysis.stepWeight", 60, "at most maxWeight 50; the first step goes over it"),
    ),
    (
        analysis.step_weights_rise,
        {"analysis/stepWeight": ..., "analysis/maxWeight": ..., "analysis/stepWeights": [10, 30, 20]},
        warning(
            "spec.analysis.stepWeights[2]",
            20,
            "more than the step before it, 30; the canary's weight never falls in an analysis",
        ),
    ),
    (
        analysis.max_weight_counts,
        {"analysis/stepWeight": ..., "analysis/stepWeights": [10, 30]},
        warning("spec.analysis.maxWeight", 50, "nothing beside stepWeights, whose last weight is the highest (30)"),
    ),
    (
        analysis.deadline_leaves_time,
        {"progressDeadlineSeconds": 0},
        warning("spec.progressDeadlineSeconds", 0, "1 or more; at 0 a workload that is not ready at once ends the run"),
    ),
    (
        target.target_version_is_served,
        {"targetRef/apiVersion": "extensions/v1beta1"},
        warning("spec.targetRef.apiVersion", "extensions/v1beta1", "apps/v1, which it is read as"),
    ),
    (
        target.references_have_names,
        {"autoscalerRef/name": ""},
        Problem("spec.autoscalerRef.name", "", "the name of an object, or no reference at all"),
    ),
    (
        target.references_have_names,
        {"targetRef/name": "", "service/name": "web"},
        Problem("spec.targetRef.name", "", "the name of a Deployment or DaemonSet"),
    ),
    (
        target.scaler_queries_are_for_keda,
        {"autoscalerRef/primaryScalerQueries": {"a": "b"}},
        warning(
            "spec.autoscalerRef.primaryScalerQueries",
            {"a": "b"},
            "nothing beside HorizontalPodAutoscaler; the queries are those of a ScaledObject",
        ),
    ),
    (
        service.port_name_is_a_label,
        {"service/portName": "HTTP_1"},
        Problem("spec.service.portName", "HTTP_1", "lower-case letters, digits and '-', at most 63"),
    ),
    (
        service.app_protocol_is_a_name,
        {"service/appProtocol": "h2 c"},
        Problem("spec.service.appProtocol", "h2 c", f"{QUALIFIED_NAME}, or http, https, tcp"),
    ),
    (
        service.metadata_can_be_stored,
        {"service/apex": {"labels": {"team": "a b"}}},
        Problem("spec.service.apex.labels.team", "a b", LABEL_VALUE),
    ),
    (
        service.metadata_can_be_stored,
        {"service/canary": {"labels": {"a/b/c": "x"}}},
        Problem("spec.service.canary.labels[a/b/c]", "x", f"for its key: {QUALIFIED_NAME}"),
    ),
    (
        service.metadata_can_be_stored,
        {"service/primary": {"annotations": {"-x": "any text, at all"}}},
        Problem("spec.service.primary.annotations[-x]", "any text, at all", f"for its key: {QUALIFIED_NAME}"),
    ),
]

NO_PROBLEM: list[Mapping[str, object]] = [
    {"service/targetPort": "http-web"},
    {"service/targetPort": 65_535},
    {"targetRef/name": "a" * 55},
    {"targetRef/name": "db-primary"},
    {"analysis/stepWeight": ..., "analysis/maxWeight": ..., "analysis/stepWeights": [1, 100]},
    {"analysis/stepWeight": 50},
    {"analysis/iterations": 0},
    {"progressDeadlineSeconds": 1},
    {"service/portName": "a" * 63},
    {"service/appProtocol": "kubernetes.io/h2c"},
    {"service/apex": {"labels": {"example.com/Team_1": ""}, "annotations": {"Example.COM/x": "a\nb"}}},
]


@pytest.mark.parametrize(("rule", "changes", "problem"), CASES, ids=case_name)
def test_the_rule_tells_where_what_was_found_and_what_is_allowed(
    canary_with: CanaryWith, rule: Rule, changes: Mapping[str, object], problem: Problem
) -> None:
    assert_only_problem(Canary.model_validate(canary_with(changes)), rule, problem)


@pytest.mark.parametrize("changes", NO_PROBLEM, ids=str)
def test_the_good_side_of_a_border_is_no_problem(canary_with: CanaryWith, changes: Mapping[str, object]) -> None:
    assert check_canary(Canary.model_validate(canary_with(changes))) == ()


def test_the_good_canary_has_no_problems(canary_with: CanaryWith) -> None:
    assert check_canary(Canary.model_validate(canary_with({}))) == ()


def test_an_analysis_that_is_skipped_needs_no_end(canary_with: CanaryWith) -> None:
    assert parse_canary(canary_with({"analysis": {"threshold": 5}, "skipAnalysis": True})).is_analysis_skipped


def test_the_old_name_of_analysis_is_checked_under_its_own_path(canary_with: CanaryWith) -> None:
    old = {"analysis": ..., "canaryAnalysis": {"stepWeight": -1}}
    found = [problem.path for problem in check_canary(Canary.model_validate(canary_with(old)))]
    assert found == ["spec.canaryAnalysis.metrics", "spec.canaryAnalysis.stepWeight"]


def test_a_canary_of_another_provider_is_none_of_our_business(canary_with: CanaryWith) -> None:
    other = canary_with({"provider": "knative", "targetRef/kind": "Service", "service": ..., "analysis": {}})
    assert parse_canary(other).provider == "knative"
