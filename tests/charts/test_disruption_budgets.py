"""Budgets: a drain leaves one of several, and is not held up by a single one."""

import pytest

from tests.support.charts import Json, notes, render

TWO = {"leaderElection": {"replicaCount": 2}}


def budgets(chart: str, values: Json) -> dict[str, int | str]:
    """Return how many pods each budget leaves, by its name."""
    found = [one for one in render(chart, values=values) if one["kind"] == "PodDisruptionBudget"]
    return {one["metadata"]["name"]: one["spec"]["minAvailable"] for one in found}


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        ({}, {"serin-webhook": 1}),
        ({"webhook": {"replicas": 3}}, {"serin-webhook": 1}),
        ({"webhook": {"replicas": 1}}, {}),
        ({"podDisruptionBudget": {"enabled": True}}, {"serin-webhook": 1}),
        ({**TWO, "podDisruptionBudget": {"enabled": True}}, {"serin-webhook": 1, "serin-agent": 1}),
        (
            {**TWO, "podDisruptionBudget": {"enabled": True, "minAvailable": 0}},
            {"serin-webhook": 1, "serin-agent": 0},
        ),
        (
            {**TWO, "podDisruptionBudget": {"enabled": True, "minAvailable": None}},
            {"serin-webhook": 1, "serin-agent": 1},
        ),
    ],
)
def test_a_budget_is_for_two_or_more_and_leaves_what_is_said(values: Json, meant: dict[str, int]) -> None:
    assert budgets("serin", values) == meant


@pytest.mark.parametrize(("said", "meant"), [(0, 0), (None, 1), ("50%", "50%")])
def test_the_load_testers_leaves_what_is_said(said: int | str | None, meant: int | str) -> None:
    values = {"podDisruptionBudget": {"enabled": True, "minAvailable": said}}
    assert budgets("loadtester", values) == {"loadtester": meant}


def test_notes_tell_of_a_budget_that_is_not_made() -> None:
    said = "podDisruptionBudget.enabled: none is made for one agent, whose node could not be drained"
    assert said in notes(values={"podDisruptionBudget": {"enabled": True}})
    assert said not in notes(values={**TWO, "podDisruptionBudget": {"enabled": True}})
