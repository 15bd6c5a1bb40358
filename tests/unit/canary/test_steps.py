"""The steps of the weight."""

from typing import Any

import pytest

from canary.run.steps import Step, next_promotion_weight, next_step, next_weight
from canary.run.traffic import Traffic
from tests.support.canaries import canary


def weights(analysis: dict[str, Any]) -> list[int]:
    """Walk from 0 to the end of the analysis."""
    made, weight, walked = canary(analysis), 0, []
    while (following := next_weight(made, weight)) is not None:
        walked.append(weight := following)
        assert len(walked) <= 100
    return walked


@pytest.mark.parametrize(
    ("analysis", "expected"),
    [
        ({"stepWeight": 5, "maxWeight": 20}, [5, 10, 15, 20]),
        ({"stepWeight": 30, "maxWeight": 50}, [30, 60]),
        ({"stepWeight": 40, "maxWeight": None}, [40, 80, 100]),
        ({"stepWeight": None, "maxWeight": None, "stepWeights": [1, 10, 40]}, [1, 10, 40]),
        ({"stepWeight": None, "maxWeight": None, "stepWeights": [50, 100]}, [50, 100]),
        ({"stepWeight": 10, "maxWeight": 80, "stepWeights": [5, 20]}, [10, 20]),
        ({"stepWeight": 60, "maxWeight": None, "stepWeights": [5, 70]}, [60, 100]),
        ({"stepWeight": None, "maxWeight": None, "stepWeights": [0, 10]}, [10]),
        ({"stepWeight": None, "maxWeight": None, "stepWeights": [10, 0]}, [10]),
        ({"stepWeight": 60, "maxWeight": None, "stepWeights": [0]}, [60, 100]),
    ],
)
def test_weights_grow_as_flaggers_do(analysis: dict[str, Any], expected: list[int]) -> None:
    assert weights(analysis) == expected


def test_a_list_edited_in_mid_run_goes_on_from_the_present_weight() -> None:
    edited = canary({"stepWeight": None, "maxWeight": None, "stepWeights": [1, 10, 40]})
    assert next_weight(edited, 7) == 10


def test_promotion_goes_back_in_one_go_or_in_steps() -> None:
    assert next_promotion_weight(canary(), 50) == 0
    stepped = canary({"stepWeightPromotion": 20})
    assert [next_promotion_weight(stepped, weight) for weight in (50, 30, 10)] == [30, 10, 0]


AB: dict[str, Any] = {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}
ITERATIONS: dict[str, Any] = {"stepWeight": None, "maxWeight": None, "iterations": 2}


def steps(analysis: dict[str, Any], *, rollout_interrupts_primary: bool) -> list[Step]:
    """Walk to the end of the analysis."""
    made = canary(analysis)
    walked: list[Step] = []
    while True:
        present = walked[-1] if walked else None
        step = next_step(made, present, rollout_interrupts_primary=rollout_interrupts_primary)
        if step is None:
            return walked
        walked.append(step)
        assert len(walked) <= 100


@pytest.mark.parametrize(
    ("analysis", "last"),
    [
        ({"stepWeight": 20, "maxWeight": 40}, Step(Traffic(100, includes_unmatched=True))),
        (ITERATIONS | AB, Step(Traffic(100, includes_unmatched=True), iterations=2)),
    ],
    ids=["weights", "A/B"],
)
def test_a_rollout_that_interrupts_the_primary_has_one_more_step_in_which_the_canary_carries_everything(
    analysis: dict[str, Any], last: Step
) -> None:
    usual = steps(analysis, rollout_interrupts_primary=False)
    assert steps(analysis, rollout_interrupts_primary=True) == [*usual, last]


@pytest.mark.parametrize(
    "analysis", [{"stepWeight": 50, "maxWeight": 100}, ITERATIONS, ITERATIONS | {"mirror": True}], ids=str
)
def test_where_the_canary_carries_everything_anyway_there_is_no_further_step(analysis: dict[str, Any]) -> None:
    usual = steps(analysis, rollout_interrupts_primary=False)
    assert steps(analysis, rollout_interrupts_primary=True) == usual
    assert usual[-1].traffic.canary_percent == 100
