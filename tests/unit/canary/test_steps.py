"""The steps of the weight."""

from typing import Any

import pytest

from canary.steps import next_promotion_weight, next_weight
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
