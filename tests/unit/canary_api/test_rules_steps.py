"""The rules for `analysis.steps` and `analysis.bake`: a good Canary with steps, changed in one place."""

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import Any

import pytest

from canary.api.canary import Canary
from canary.api.problems import Problem
from canary.rules import run_numbers, steps
from canary.rules.canary import Rule, check_canary
from canary.rules.shape import canary_problems, parse_canary
from tests.support.rule_cases import Case, assert_only_problem, case_name, good_canary_with

warning = partial(Problem, is_warning=True)

LISTED: Mapping[str, object] = {
    "analysis/stepWeight": ...,
    "analysis/maxWeight": ...,
    "analysis/steps": [{"weight": 10, "duration": "5m"}, {"weight": 20}, {"weight": 20, "pause": {}}, {"weight": 50}],
    "analysis/bake": "30m",
}


def listed(changes: Mapping[str, object]) -> dict[str, Any]:
    """Return the good Canary with steps, changed; the entries of the list are its own."""
    return good_canary_with(deepcopy({**LISTED, **changes}))


ALONE = "nothing beside steps, which have all weights"

CASES: list[Case] = [
    (steps.steps_stand_alone, {"analysis/stepWeight": 5}, Problem("spec.analysis.stepWeight", 5, ALONE)),
    (steps.steps_stand_alone, {"analysis/maxWeight": 60}, Problem("spec.analysis.maxWeight", 60, ALONE)),
    (
        steps.steps_stand_alone,
        {"analysis/stepWeights": [10, 60]},
        Problem("spec.analysis.stepWeights", [10, 60], ALONE),
    ),
    (
        steps.steps_stand_alone,
        {"analysis/iterations": 3},
        Problem("spec.analysis.iterations", 3, f"{ALONE}; an A/B test or a blue/green release has no weights"),
    ),
    (
        steps.some_steps_are_given,
        {"analysis/steps": [], "analysis/stepWeight": 5},
        warning("spec.analysis.steps", [], "at least one step, e.g. [{weight: 20, duration: 10m}], or nothing"),
    ),
    (
        steps.steps_have_weights,
        {"analysis/steps/3/weight": 101},
        Problem("spec.analysis.steps[3].weight", 101, "a weight from 0 to 100"),
    ),
    (
        steps.steps_have_weights,
        {"analysis/steps/0/weight": -1},
        Problem("spec.analysis.steps[0].weight", -1, "a weight from 0 to 100"),
    ),
    (
        steps.steps_have_weights,
        {"analysis/steps/3/weight": 19},
        Problem(
            "spec.analysis.steps[3].weight",
            19,
            "at least the weight of the steps before it, 20; it never falls in an analysis",
        ),
    ),
    (
        steps.steps_have_weights,
        {"analysis/steps/0/weight": 0},
        warning(
            "spec.analysis.steps[0].weight",
            0,
            "1 or more; with 0 nobody is routed to the canary, and checks need requests of their own",
        ),
    ),
    (
        steps.steps_have_one_end,
        {"analysis/steps/0/pause": {}},
        Problem(
            "spec.analysis.steps[0]",
            {"weight": 10, "duration": "5m", "pause": {}},
            "either duration or pause; for one after the other write two steps of the same weight",
        ),
    ),
    (
        steps.steps_have_one_end,
        {"analysis/steps/2/pause": {"duration": "10m"}},
        Problem(
            "spec.analysis.steps[2].pause",
            {"duration": "10m"},
            "{}, a pause until somebody resumes the run; for a time write duration in its place",
        ),
    ),
    (
        steps.steps_last_for_an_interval,
        {"analysis/steps/0/duration": "9s"},
        warning(
            "spec.analysis.steps[0].duration", "9s", "at least the interval, 10s; it lasts until checks have passed"
        ),
    ),
    (
        steps.steps_last_for_an_interval,
        {"analysis/bake": "30s", "analysis/interval": ...},
        warning("spec.analysis.bake", "30s", "at least the interval, 60s; it lasts until checks have passed"),
    ),
    (
        steps.bake_is_analysed,
        {"skipAnalysis": True},
        warning(
            "spec.analysis.bake",
            "30m",
            "nothing beside skipAnalysis: true, with which every revision is promoted at once",
        ),
    ),
    (
        run_numbers.run_is_limited,
        {"analysis/steps/0/duration": "721h"},
        Problem("spec.analysis.steps[0].duration", "721h", "at most 720h", spares_stored=True),
    ),
    (
        run_numbers.run_is_limited,
        {"analysis/bake": "721h"},
        Problem("spec.analysis.bake", "721h", "at most 720h", spares_stored=True),
    ),
]


@pytest.mark.parametrize(("rule", "changes", "problem"), CASES, ids=case_name)
def test_a_rule_finds_its_problem(rule: Rule, changes: Mapping[str, object], problem: Problem) -> None:
    assert_only_problem(Canary.model_validate(listed(changes)), rule, problem)


SHAPES: list[tuple[Mapping[str, object], str, object, str]] = [
    ({"analysis/steps/0": {"setWeight": 20}}, "[0].weight", None, "a weight from 0 to 100, as in {weight: 20}"),
    ({"analysis/steps/0/weight": "10"}, "[0].weight", "10", "a whole number"),
    ({"analysis/steps/2/pause": None}, "[2].pause", None, "{}, a pause until somebody resumes the run"),
    ({"analysis/steps/2/pause": True}, "[2].pause", True, "{}, a pause until somebody resumes the run"),
    ({"analysis/steps/0/duration": "5x"}, "[0].duration", "5x", "a duration such as 30s or 1m30s"),
    ({"analysis/steps/0/duration": "-5m"}, "[0].duration", "-5m", "a duration such as 30s or 1m30s"),
    ({"analysis/steps": [{"weight": 1}] * 201}, "", None, "at most 200 entries"),
]


@pytest.mark.parametrize(("changes", "path", "found", "allowed"), SHAPES, ids=[allowed for *_, allowed in SHAPES])
def test_what_is_no_step_is_named_by_its_path(
    changes: Mapping[str, object], path: str, found: object, allowed: str
) -> None:
    (problem,) = canary_problems(listed(changes))
    assert (problem.path, problem.allowed, problem.is_warning) == (f"spec.analysis.steps{path}", allowed, False)
    assert found is None or problem.found == found


def test_an_empty_list_alone_has_no_end() -> None:
    (problem,) = canary_problems(listed({"analysis/steps": []}))
    assert problem == Problem(
        "spec.analysis",
        {"steps": []},
        "one of stepWeight, stepWeights, steps and iterations, for without them the analysis has no end",
    )


def test_good_steps_have_no_problem_and_are_read_as_they_are_written() -> None:
    canary = parse_canary(listed({}))
    assert check_canary(canary) == ()
    assert canary.analysis is not None
    read = [(step.weight, step.duration_s, step.is_pause) for step in canary.analysis.steps]
    assert read == [(10, 300.0, False), (20, 0.0, False), (20, 0.0, True), (50, 0.0, False)]
    assert (canary.analysis.bake_s, canary.max_weight, canary.strategy) == (1800.0, 50, "canary")


def test_what_is_stored_beyond_the_bound_is_cut_to_it() -> None:
    analysis = parse_canary(listed({"analysis/bake": "9999h"})).analysis
    assert analysis is not None
    assert analysis.bake_s == 30 * 86_400
