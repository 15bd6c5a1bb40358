"""The sequences that the demo's test holds the acts to can fail."""

from tests.demo.guide_events import EXPECTED, FROM_GUIDE, first_missing, follows

RUN = [
    "New revision detected! Scaling up podinfo.test: podinfod image 3.1.0 -> 3.1.1, applied by admin",
    "canary deployment podinfo.test not ready: waiting for rollout to finish: 0 of 1 updated replicas are available",
    "Starting canary analysis for podinfo.test",
    "Pre-rollout check acceptance-test passed",
    "Advance podinfo.test canary weight 10",
    "Halt advancement no values found for gloo metric request-duration probably podinfo.test is not receiving traffic",
    *(f"Advance podinfo.test canary weight {weight}" for weight in (20, 30, 40, 50)),
    "Copying podinfo.test template spec to podinfo-primary.test",
    "podinfo-primary.test not ready: waiting for rollout to finish: 1 old replicas are pending termination",
    "Routing all traffic to primary",
    "Promotion completed! Scaling down podinfo.test",
]
AGAIN = "New revision detected! Restarting analysis for podinfo.test: podinfod image 3.1.1 -> 3.1.2, applied by admin"
HALT = "Halt podinfo.test advancement success rate 95.45% < 99%"
ROLLED_BACK = [
    *RUN[:7],
    *[HALT] * 5,
    "Rolling back podinfo.test failed checks threshold reached 5",
    "Canary failed! Scaling down podinfo.test",
]


def test_runs_as_serin_tells_them_are_those_of_the_guide() -> None:
    assert follows(EXPECTED["promotion"], RUN)
    assert first_missing(FROM_GUIDE["promotion"], RUN) is None
    assert follows(EXPECTED["restart"], [*RUN[:7], AGAIN, *RUN[1:]])
    assert follows(EXPECTED["rollback-500"], ROLLED_BACK)
    assert first_missing(FROM_GUIDE["rollback-500"], ROLLED_BACK) is None


def test_waiting_may_be_left_out() -> None:
    assert follows(EXPECTED["promotion"], [text for text in RUN if "waiting for rollout" not in text])


def test_a_wrong_order_a_gap_and_an_undeclared_event_are_none_of_it() -> None:
    assert not follows(EXPECTED["promotion"], [*RUN[:6], RUN[7], RUN[6], *RUN[8:]])
    assert not follows(EXPECTED["promotion"], [*RUN[:7], *RUN[8:]])
    assert not follows(EXPECTED["promotion"], [*RUN[:6], HALT, *RUN[6:]])
    assert not follows(EXPECTED["promotion"], RUN[:-1])
    assert not follows(EXPECTED["restart"], RUN)


def test_another_reason_or_fewer_failed_checks_are_another_rollback() -> None:
    assert not follows(EXPECTED["rollback-latency"], ROLLED_BACK)
    assert not follows(EXPECTED["rollback-500"], [*ROLLED_BACK[:7], *ROLLED_BACK[8:]])


def test_the_first_line_of_the_guide_without_an_event_is_named() -> None:
    assert first_missing(FROM_GUIDE["promotion"], RUN[:8]) == "Advance podinfo.test canary weight 40"
    missing = first_missing(FROM_GUIDE["rollback-404"], ROLLED_BACK)
    assert missing == "Halt podinfo.test advancement 404s percentage 6.2 > 5"
