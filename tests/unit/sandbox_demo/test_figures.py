"""How the figures come from moments, and when they are good."""

import pytest

from sandbox.demo.figures import LIMITS, detect_s, first_weight_s, rollback_shift_s, steps_twice, worst
from sandbox.demo.moments import AvailableSeen, EventSeen, ImageSet, Moment, PhaseSeen, WeightSeen


def _told(at_s: float, text: str) -> EventSeen:
    return EventSeen(at_s, text, is_warning=False)


def test_detection_lasts_from_the_command_to_the_event_of_the_new_revision() -> None:
    moments: list[Moment] = [
        ImageSet(10.0, "podinfo:2"),
        _told(10.1, "Advance podinfo.test canary weight 20"),
        PhaseSeen(10.2, "Progressing"),
        _told(10.3, "New revision detected! Restarting analysis for podinfo.test"),
        ImageSet(20.0, "podinfo:3"),
        _told(20.5, "New revision detected! Scaling up podinfo.test"),
    ]
    assert detect_s(moments) == pytest.approx([0.3, 0.5])


def test_a_change_that_nothing_is_told_of_was_not_detected() -> None:
    assert detect_s([ImageSet(1.0, "podinfo:2"), _told(1.1, "Routing all traffic to primary")]) == []


def test_the_first_weight_is_counted_from_the_canarys_last_availability() -> None:
    moments = [
        AvailableSeen(1.0, "podinfo", 2),
        AvailableSeen(2.0, "podinfo", 2),
        AvailableSeen(2.5, "podinfo-primary", 2),
        WeightSeen(3.0, 10),
        WeightSeen(5.0, 20),
        WeightSeen(6.0, 0),
        AvailableSeen(8.0, "podinfo", 2),
        WeightSeen(8.4, 10),
    ]
    assert first_weight_s(moments) == pytest.approx([1.0, 0.4])


def test_a_route_that_is_made_without_weight_for_the_canary_starts_no_run() -> None:
    assert first_weight_s([AvailableSeen(1.0, "podinfo", 2), WeightSeen(2.0, 0)]) == []


def test_a_rollbacks_shift_lasts_from_the_deciding_check_to_the_route_without_the_canary() -> None:
    moments = [
        WeightSeen(1.0, 0),
        WeightSeen(2.0, 10),
        PhaseSeen(5.3, "Failed", decided_s=5.0),
        WeightSeen(5.25, 0),
        WeightSeen(9.0, 0),
    ]
    assert rollback_shift_s(moments) == pytest.approx([0.25])


def test_a_rollback_whose_traffic_stayed_has_no_shift_and_a_promotion_neither() -> None:
    assert rollback_shift_s([WeightSeen(1.0, 10), PhaseSeen(2.0, "Failed", decided_s=1.5)]) == []
    assert rollback_shift_s([PhaseSeen(2.0, "Succeeded", decided_s=1.5), WeightSeen(3.0, 0)]) == []


def _run(*moments: Moment) -> list[Moment]:
    return [_told(1.0, "New revision detected! Scaling up podinfo.test"), *moments]


def test_a_step_that_is_told_or_made_again_in_one_run_is_counted() -> None:
    ten, twenty = (
        _told(2.0, "Advance podinfo.test canary weight 10"),
        _told(3.0, "Advance podinfo.test canary weight 20"),
    )
    assert steps_twice(_run(ten, twenty)) == [0]
    assert steps_twice(_run(ten, twenty, twenty, ten)) == [2]
    assert steps_twice(_run(WeightSeen(1, 10), WeightSeen(2, 20), WeightSeen(3, 10), WeightSeen(4, 0))) == [1]


def test_the_run_of_a_second_change_makes_its_own_steps() -> None:
    ten = _told(2.0, "Advance podinfo.test canary weight 10")
    again = _told(3.0, "New revision detected! Restarting analysis for podinfo.test")
    assert steps_twice([WeightSeen(0.5, 0), *_run(ten, WeightSeen(2.1, 10), again, ten, WeightSeen(3.1, 10))]) == [0, 0]


def test_the_worst_of_a_figure_is_its_longest_and_one_without_a_value_was_not_measured() -> None:
    measured: dict[str, list[float]] = {"ready_s": [12.3456], "detect_s": [0.2, 0.7, 0.1], "failed_requests": [0]}
    expected = {"ready_s": 12.346, "detect_s": 0.7, "failed_requests": 0}
    assert worst(measured) == dict.fromkeys(LIMITS) | expected


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ready_s", 40.0, 40.01),
        ("detect_s", 0.99, 1.0),
        ("first_weight_s", 1.99, 2.0),
        ("rollback_shift_s", 0.99, 1.0),
        ("requests", 5000, 4999),
        ("failed_requests", 0, 1),
        ("steps_twice", 0, 1),
    ],
)
def test_the_limits_of_the_figures(name: str, good: float, bad: float) -> None:
    assert LIMITS[name].holds(good)
    assert not LIMITS[name].holds(bad)
    assert not LIMITS[name].holds(None)
