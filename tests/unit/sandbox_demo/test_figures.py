"""How the figures come from moments, and when they are good."""

import pytest

from sandbox.demo.figures import LIMITS, detect_s, first_weight_s, worst
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


def test_the_worst_of_a_figure_is_its_longest_and_one_without_a_value_was_not_measured() -> None:
    assert worst({"ready_s": [12.3456], "detect_s": [0.2, 0.7, 0.1]}) == {
        "ready_s": 12.346,
        "detect_s": 0.7,
        "first_weight_s": None,
    }


@pytest.mark.parametrize(
    ("name", "good", "bad"), [("ready_s", 40.0, 40.01), ("detect_s", 0.99, 1.0), ("first_weight_s", 1.99, 2.0)]
)
def test_the_limits_of_the_figures(name: str, good: float, bad: float) -> None:
    assert LIMITS[name].holds(good)
    assert not LIMITS[name].holds(bad)
    assert not LIMITS[name].holds(None)
