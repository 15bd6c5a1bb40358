"""Every event line of the guide has its text in the table, in the guide's order."""

from sandbox.demo.guide_lines import (
    DURATION,
    NOT_FOUND,
    SUCCESS_RATE,
    advance,
    bootstrap,
    promotion,
    restart,
    rollback,
    split,
)
from sandbox.demo.sequence import Line, first_difference

# The guide's own pace, and its own listing of the promotion's events.
GUIDE_WEIGHTS = tuple(range(5, 51, 5))
GUIDE_EVENTS = [
    "New revision detected podinfo.test",
    "Scaling up podinfo.test",
    "Waiting for podinfo.test rollout to finish: 0 of 1 updated replicas are available",
    *[f"Advance podinfo.test canary weight {weight}" for weight in GUIDE_WEIGHTS],
    "Copying podinfo.test template spec to podinfo-primary.test",
    "Waiting for podinfo-primary.test rollout to finish: 1 of 2 updated replicas are available",
    "Promotion completed! Scaling down podinfo.test",
]

RUN = [
    "New revision detected! Scaling up podinfo.test: podinfod image 3.1.0 -> 3.1.1, applied by alice",
    "canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 1 updated replicas are available",
    "Starting canary analysis for podinfo.test",
    "Pre-rollout check acceptance-test passed",
    "Advance podinfo.test canary weight 10",
    "Halt advancement no values found for gloo metric request-duration probably podinfo.test is not receiving traffic",
    "Advance podinfo.test canary weight 20",
    "Copying podinfo.test template spec to podinfo-primary.test",
    "podinfo-primary.test not ready: waiting for rollout to finish: 1 old replicas are pending termination",
    "Routing all traffic to primary",
    "Promotion completed! Scaling down podinfo.test",
]


def _guide(lines: tuple[Line, ...]) -> list[str]:
    return [text for line in lines for text in line.guide]


def test_the_promotion_stands_for_the_guides_events_line_by_line() -> None:
    assert _guide(promotion(GUIDE_WEIGHTS)) == GUIDE_EVENTS


def test_a_run_as_serin_tells_it_is_a_promotion() -> None:
    assert first_difference(promotion((10, 20)), RUN) is None


def test_a_failed_check_is_no_part_of_a_promotion() -> None:
    failed = [*RUN[:6], "Halt podinfo.test advancement success rate 69.17% < 99%", *RUN[6:]]
    assert first_difference(promotion((10, 20)), failed) is not None


def test_weights_out_of_order_are_no_promotion() -> None:
    swapped = [*RUN[:4], RUN[6], RUN[4], *RUN[7:]]
    told = first_difference(promotion((10, 20)), swapped)
    assert told == f"line 5 is {RUN[6]!r}; expected there: {advance(10).text!r}"


def test_a_bootstrap_ends_with_its_one_line() -> None:
    assert first_difference(bootstrap(), ["Initialization done! podinfo.test"]) is None
    assert first_difference(bootstrap(), []) is not None


# The guide's listings of two rollbacks; in the first, the last Halt has kubectl's remark on similar events before it.
GUIDE_ROLLBACK = [
    "Starting canary deployment for podinfo.test",
    *[f"Advance podinfo.test canary weight {weight}" for weight in (5, 10, 15)],
    *[
        f"Halt podinfo.test advancement success rate {rate}% < 99%"
        for rate in ("69.17", "61.39", "55.06", "47.00", "38.08")
    ],
    "Rolling back podinfo.test failed checks threshold reached 10",
    "Canary failed! Scaling down podinfo.test",
]
GUIDE_NOT_FOUND = [
    *GUIDE_ROLLBACK[:4],
    *[
        f"Halt podinfo.test advancement 404s percentage {value} > 5"
        for value in ("6.20", "6.45", "7.60", "8.69", "9.70")
    ],
    "Rolling back podinfo.test failed checks threshold reached 5",
    GUIDE_ROLLBACK[-1],
]
HALT = "Halt podinfo.test advancement success rate 95.45% < 99%"
ROLLED_BACK = [
    *RUN[:5],
    HALT,
    HALT,
    "Rolling back podinfo.test failed checks threshold reached 2",
    "Canary failed! Scaling down podinfo.test",
]


def test_the_rollbacks_stand_for_the_guides_events_line_by_line() -> None:
    assert _guide(rollback(GUIDE_WEIGHTS, 15, SUCCESS_RATE, 5)) == GUIDE_ROLLBACK
    assert _guide(rollback(GUIDE_WEIGHTS, 15, NOT_FOUND, 5)) == GUIDE_NOT_FOUND


def test_a_rollback_as_serin_tells_it() -> None:
    assert first_difference(rollback((10, 20), 10, SUCCESS_RATE, 2), ROLLED_BACK) is None
    assert (
        first_difference(rollback((10, 20), 10, SUCCESS_RATE, 2), [*ROLLED_BACK[:5], RUN[6], *ROLLED_BACK[5:]]) is None
    )


def test_a_rollback_for_another_reason_or_after_fewer_failed_checks_is_told() -> None:
    assert first_difference(rollback((10, 20), 10, DURATION, 2), ROLLED_BACK) is not None
    assert first_difference(rollback((10, 20), 10, SUCCESS_RATE, 3), ROLLED_BACK) is not None


def test_a_run_that_is_overtaken_starts_again_and_ends_as_a_promotion() -> None:
    again = "New revision detected! Restarting analysis for podinfo.test: podinfod image 3.1.1 -> 3.1.2, applied by bob"
    told = [*RUN[:5], again, *RUN[1:]]
    assert first_difference(restart((10, 20), 10), told) is None
    assert first_difference(restart((10, 20), 10), RUN) is not None
    assert first_difference(restart((10, 20), 10), [*RUN[:5], again, *RUN[6:]]) is not None


def test_the_weights_up_to_the_one_that_is_waited_for_come_for_sure() -> None:
    assert split((10, 20, 30), 20) == ((10, 20), (30,))
    assert split((5, 10, 15, 20, 25), 20) == ((5, 10, 15, 20), (25,))
    assert split((10, 20), 0) == ((10,), (20,))
