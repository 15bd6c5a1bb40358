"""Every event line of the guide has its text in the table, in the guide's order."""

from sandbox.demo.guide_lines import advance, bootstrap, promotion
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
    "New revision detected! Scaling up podinfo.test",
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
