"""`analysis.steps` and `analysis.bake`: how long each lasts, and what none of it keeps away."""

from typing import Any

import pytest

from canary.run.observation import RouteState
from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.listed_steps import (
    FAIL,
    INSIDERS,
    NO_DATA,
    PASS,
    PAUSE_AT_20,
    REVISION,
    at_pause,
    begun,
    listed,
    ours,
    pause,
    resume,
    seconds_at,
    step,
)
from tests.support.simulated_parts import always
from tests.support.simulated_runs import bootstrapped, hook, phase

# Durations.


def test_each_step_has_its_own_duration_and_one_without_lasts_for_an_interval() -> None:
    cluster = begun(listed(step(1, "15m"), step(10, "20m"), step(50)))
    assert seconds_at(cluster) == {1: 900, 10: 1200, 50: 10}
    assert [share for _, share in cluster.history] == [1, 10, 50]


def test_a_step_ends_with_the_first_checks_that_pass_when_its_duration_is_over() -> None:
    assert seconds_at(begun(listed(step(20, "25s"), step(40, "3s")))) == {20: 30, 40: 10}


def test_checks_go_on_each_interval_and_roll_back_in_the_midst_of_a_step() -> None:
    cluster = begun(listed(step(20, "1h")))
    cluster.run(600)
    cluster.verdicts = always(FAIL)
    cluster.run(25)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))
    assert "Rolling back podinfo.test failed checks threshold reached 2" in cluster.texts()


def test_a_failed_check_at_the_end_of_a_duration_holds_the_step_until_checks_pass() -> None:
    cluster = begun(listed(step(20, "30s"), step(40)))
    cluster.verdicts = iter([PASS, PASS, FAIL, NO_DATA, *[PASS] * 99])
    assert seconds_at(cluster) == {20: 50, 40: 10}


def test_a_duration_counts_from_where_the_gateway_serves_the_step() -> None:
    cluster = begun(listed(step(20, "1m"), step(40)))
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 40)
    cluster.canary = canary(listed(step(20, "1m"), step(40, "1m")))
    cluster.route_state = RouteState.UNACKNOWLEDGED
    cluster.run(200)
    assert "stepServedAt" not in ours(cluster)
    cluster.route_state = RouteState.SETTLED
    cluster.settle()
    assert ours(cluster)["stepServedAt"]
    assert seconds_at(cluster) == {40: 60}


def test_the_status_says_which_step_it_is_and_since_when() -> None:
    cluster = begun(listed(step(20, "1m"), step(20, "1m"), step(40)))
    first = ours(cluster)
    assert first.pop("stepServedAt").endswith("Z")
    assert first == {"step": 1}
    cluster.run(70)
    assert (ours(cluster)["step"], cluster.status["canaryWeight"], cluster.status["iterations"]) == (2, 20, 0)
    assert cluster.texts().count("Advance podinfo.test canary weight 20") == 2
    cluster.run(200)
    assert (phase(cluster), ours(cluster)) == (Phase.SUCCEEDED, {})


@pytest.mark.parametrize("dies_at_s", [5.0, 29.0, 59.0])
def test_a_restart_neither_shortens_nor_lengthens_a_step(dies_at_s: float) -> None:
    cluster = begun(listed(step(20, "1m"), step(40)))
    cluster.run(dies_at_s)
    cluster.restart()
    assert seconds_at(cluster)[20] == 60 - dies_at_s


def test_a_step_is_not_over_by_time_in_which_nobody_watched() -> None:
    cluster = begun(listed(step(20, "1h"), bake="1h"))
    cluster.run(600)
    cluster.now_s += 7200
    cluster.restart()
    cluster.run(2700)
    assert ours(cluster)["step"] == 1
    assert "bakeStartedAt" not in ours(cluster)
    cluster.run(300, until=lambda: "bakeStartedAt" in ours(cluster))
    cluster.now_s += 7200
    cluster.restart()
    cluster.run(3300)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.run(300)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_clock_that_is_set_back_makes_no_step_longer() -> None:
    cluster = begun(listed(step(20, "10m"), bake="10m"))
    cluster.run(300)
    cluster.now_s -= 3600
    cluster.restart()
    cluster.run(325)
    assert "bakeStartedAt" in ours(cluster)
    cluster.now_s -= 3600
    cluster.restart()
    cluster.run(635)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_newer_revision_begins_with_the_first_step() -> None:
    cluster = begun(listed(step(10), step(20, "1h")))
    cluster.run(100)
    assert ours(cluster)["step"] == 2
    cluster.set_image("bbbbbbbbbbbbbbbb")
    cluster.run(5)
    assert (ours(cluster)["step"], cluster.weights) == (1, (90, 10))


# Gates, mirror, match, session affinity.


def test_gates_to_traffic_are_asked_when_a_step_is_over_and_only_before_more_of_it() -> None:
    gate = hook("confirm-traffic-increase")
    cluster = at_pause(listed(step(20, "1m"), pause(20), step(50, "1m"), webhooks=[gate]))
    asked = f"confirm-traffic-increase/{gate['name']}@"
    assert cluster.asked == [f"{asked}0"]
    resume(cluster)
    cluster.run(180)
    assert cluster.asked == [f"{asked}{weight}" for weight in (0, 20, 50)]
    assert phase(cluster) is Phase.SUCCEEDED


def test_mirroring_comes_before_the_first_step() -> None:
    cluster = begun(listed(step(20, "1m"), mirror=True, sessionAffinity={"cookieName": "side"}))
    assert (cluster.mirror_percent, ours(cluster)) == (100, {})
    cluster.run(12)
    assert (cluster.mirror_percent, cluster.weights, ours(cluster)["step"]) == (0, (80, 20), 1)
    assert cluster.cookie.startswith("side=")


def test_steps_beside_match_are_shares_of_the_requests_that_match() -> None:
    cluster = at_pause(PAUSE_AT_20 | INSIDERS)
    assert (cluster.weights, cluster.shares) == ((80, 20), (100, 20))
    resume(cluster)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_step_of_weight_zero_has_pods_and_no_traffic() -> None:
    cluster = at_pause(listed(pause(0), step(50)))
    assert (cluster.weights, cluster.target_replicas, ours(cluster)["waitingFor"]) == ((100, 0), 2, ["pause/1"])
    resume(cluster)
    assert cluster.weights == (50, 50)


# Bake.

ITERATIONS = listed(iterations=2, steps=None)


@pytest.mark.parametrize(
    ("analysis", "expected"),
    [
        (listed(step(20), step(50, "1m")), {20: 10, 50: 60 + 1800}),
        (listed(steps=None, stepWeight=20, maxWeight=40), {20: 10, 40: 10 + 1800}),
        (ITERATIONS, {0: 20, 100: 10 + 1800}),
        (ITERATIONS | INSIDERS, {100: 20 + 1800}),
    ],
    ids=["steps", "stepWeight", "blue/green", "A/B"],
)
def test_the_last_split_is_kept_for_the_bake_before_the_promotion(
    analysis: dict[str, Any], expected: dict[int, float]
) -> None:
    cluster = begun(analysis | {"bake": "30m"})
    assert seconds_at(cluster) == expected
    assert cluster.texts()[-1] == "Baking podinfo.test for 30m before its promotion, its checks go on"
    cluster.run(60)
    assert (phase(cluster), ours(cluster)) == (Phase.SUCCEEDED, {})


def test_a_bake_is_checked_and_rolled_back() -> None:
    cluster = begun(listed(step(50), bake="1h"))
    cluster.run(600)
    assert ours(cluster)["bakeStartedAt"]
    cluster.verdicts = always(FAIL)
    cluster.run(25)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


def test_whoever_confirms_the_promotion_is_asked_after_the_bake() -> None:
    cluster = begun(listed(step(50), bake="1h", webhooks=[hook("confirm-promotion")]))
    cluster.gates = {"confirm-promotion": FAIL}
    cluster.run(3600)
    assert (phase(cluster), cluster.asked) == (Phase.PROGRESSING, [])
    cluster.run(60)
    assert phase(cluster) is Phase.WAITING_PROMOTION
    cluster.gates = {}
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_what_is_baked_is_the_last_weight_also_where_the_primary_has_no_pod_while_it_rolls() -> None:
    cluster = bootstrapped(listed(step(50), bake="30m"))
    cluster.rolls_without_gap = False
    cluster.set_image(REVISION)
    cluster.run(60, until=lambda: cluster.state.analysis.started_at_s is not None)
    growing_s = 10
    assert seconds_at(cluster) == {50: 10 + 1800 + growing_s, 100: 10}


def test_a_bake_begins_as_soon_as_the_last_steps_pause_is_resumed() -> None:
    cluster = at_pause(listed(pause(20), bake="1m"))
    resume(cluster)
    assert ours(cluster)["bakeStartedAt"]
    assert seconds_at(cluster) == {20: 60}
