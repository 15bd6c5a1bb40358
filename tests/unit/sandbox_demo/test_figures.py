"""How the figures come from moments, and when they are good."""

import pytest

from sandbox.demo.figures import LIMITS, Moment, first_promotion_at_s, measure, minutes_to_promotion


def figure(name: str, *moments: tuple[float, str, str]) -> float | None:
    return measure([Moment(*moment) for moment in moments])[name]


def test_detection_lasts_from_the_command_to_the_event_of_the_new_revision() -> None:
    first = (
        (10.0, "image", "3.1.2"),
        (10.1, "event", "Advance podinfo.test canary weight 20"),
        (10.2, "status", "Progressing"),
        (10.3, "event", "New revision detected! Restarting analysis for podinfo.test"),
    )
    second = ((20.0, "image", "3.1.3"), (20.5, "event", "New revision detected! Scaling up podinfo.test"))
    assert figure("detect_s", *first) == 0.3
    assert figure("detect_s", *first, *second) == 0.5


def test_a_change_without_an_event_was_not_detected() -> None:
    assert figure("detect_s", (1.0, "image", "3.1.2"), (1.1, "event", "Routing all traffic to primary")) is None


def test_the_first_weight_is_counted_from_the_canarys_last_availability() -> None:
    first = (
        (1.0, "ready", "deployment podinfo is available"),
        (2.0, "ready", "deployment podinfo is available"),
        (2.5, "pods", "deployment podinfo-primary is available"),
        (3.0, "weight", "10"),
        (4.0, "ready", "deployment podinfo is available"),
        (9.0, "weight", "20"),
    )
    second = (
        (10.0, "weight", "0"),
        (11.0, "ready", "deployment podinfo is available"),
        (12.4, "weight", "10"),
    )
    assert figure("first_weight_s", *first) == 1.0
    assert figure("first_weight_s", *first, *second) == 1.4


def test_a_route_that_is_made_without_weight_for_the_canary_starts_no_run() -> None:
    assert figure("first_weight_s", (1.0, "ready", ""), (2.0, "weight", "0")) is None


def test_a_rollbacks_shift_lasts_from_the_deciding_check_to_the_route_without_the_canary() -> None:
    rollback = (
        (1.0, "weight", "0"),
        (2.0, "weight", "10"),
        (5.0, "decided", "rollback"),  # noted when the status tells of it, with its own time
        (5.3, "status", "Failed"),
        (5.25, "weight", "0"),
        (9.0, "weight", "0"),
    )
    assert figure("rollback_shift_s", *rollback) == 0.25


def test_a_rollback_whose_traffic_stayed_has_no_shift_and_a_promotion_neither() -> None:
    assert figure("rollback_shift_s", (1.0, "weight", "10"), (1.5, "decided", "rollback")) is None
    assert figure("rollback_shift_s", (2.0, "status", "Succeeded"), (3.0, "weight", "0")) is None


BEGUN = (1.0, "event", "New revision detected! Scaling up podinfo.test")
TEN = (2.0, "event", "Advance podinfo.test canary weight 10")
TWENTY = (3.0, "event", "Advance podinfo.test canary weight 20")


def test_a_step_that_is_announced_or_made_again_in_one_run_is_counted() -> None:
    assert figure("steps_twice", BEGUN, TEN, TWENTY) == 0
    assert figure("steps_twice", BEGUN, TEN, TWENTY, TWENTY, TEN) == 2
    made = ((1, "weight", "10"), (2, "weight", "20"), (3, "weight", "10"), (4, "weight", "0"))
    assert figure("steps_twice", BEGUN, *made) == 1


def test_the_run_of_a_second_change_makes_its_own_steps() -> None:
    again = (3.0, "event", "New revision detected! Restarting analysis for podinfo.test")
    made = (2.1, "weight", "10")
    assert figure("steps_twice", (0.5, "weight", "10"), BEGUN, TEN, made, again, TEN, made) == 0


def test_the_first_promotion_is_the_first_success() -> None:
    seen = [Moment(1.0, "status", "Progressing"), Moment(2.0, "event", "Succeeded"), Moment(3.0, "status", "Succeeded")]
    assert first_promotion_at_s([*seen, Moment(9.0, "status", "Succeeded")]) == 3.0
    assert first_promotion_at_s(seen[:2]) is None


def test_minutes_are_kept_of_the_other_start_only() -> None:
    cold = {"cold": {"minutes": 12.5, "install": "kustomize"}}
    both = cold | {"warm": {"minutes": 1.25, "install": "helm"}}
    assert minutes_to_promotion(None, "cold", "kustomize", 750.0) == cold
    assert minutes_to_promotion(cold, "warm", "helm", 75.0) == both
    assert minutes_to_promotion(both, "warm", "helm", None) == cold
    assert minutes_to_promotion("cut off", "warm", "helm", None) == {}


def test_what_was_not_seen_was_not_measured() -> None:
    assert measure([]) == dict.fromkeys(("detect_s", "first_weight_s", "rollback_shift_s", "steps_twice"))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ready_s", 40.0, 40.01),
        ("detect_s", 1.0, 1.001),
        ("first_weight_s", 2.0, 2.001),
        ("rollback_shift_s", 1.0, 1.001),
        ("requests", 5000, 4999),
        ("failed_requests", 0, 1),
        ("steps_twice", 0, 1),
    ],
)
def test_the_limits_of_the_figures(name: str, good: float, bad: float) -> None:
    assert LIMITS[name].holds(good)
    assert not LIMITS[name].holds(bad)
    assert not LIMITS[name].holds(None)
