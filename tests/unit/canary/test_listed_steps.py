"""`analysis.steps` and `analysis.bake`: how long each lasts, who ends a pause, and what none of it keeps away."""

from typing import Any

import pytest

from canary.api.canary import Canary
from canary.run.judge import Verdict
from canary.run.messages import Alert
from canary.run.observation import RouteState
from canary.run.phase import Phase
from tests.support.canaries import canary, with_spec
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import UNREADY, always
from tests.support.simulated_runs import bootstrapped, hook, phase, resume_text

PASS, FAIL, NO_DATA = Verdict.PASS, Verdict.FAIL, Verdict.NO_DATA
REVISION = "aaaaaaaaaaaaaaaa"
INSIDERS = {"match": [{"headers": {"x-canary": {"exact": "insider"}}}]}
PAUSED = (
    "Halt podinfo.test advancement paused at canary weight 20 by step 2 of 3, its checks go on. Resume it with the "
    "annotation serin.dev/request: resume@aaaaaaaaaaaaaaaa"
)


def listed(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what an analysis has of steps in place of the guide's, with checks each 10 s and no hooks."""
    return {"stepWeight": None, "maxWeight": None, "webhooks": [], "threshold": 2, "steps": list(steps)} | more


def step(weight: int, duration: str = "") -> dict[str, Any]:
    return {"weight": weight} | ({"duration": duration} if duration else {})


def pause(weight: int) -> dict[str, Any]:
    return {"weight": weight, "pause": {}}


PAUSE_AT_20 = listed(step(10), pause(20), step(50))


def begun(analysis: dict[str, Any], **spec: Any) -> SimulatedCluster:
    """Return a run of REVISION that has begun its analysis just now."""
    cluster = bootstrapped(analysis, **spec)
    cluster.set_image(REVISION)
    cluster.run(60, until=lambda: cluster.state.analysis.started_at_s is not None)
    cluster.settle()
    return cluster


def at_pause(analysis: dict[str, Any] = PAUSE_AT_20, **spec: Any) -> SimulatedCluster:
    """Return a run of REVISION that is paused by a step, and whose checks passed there."""
    cluster = begun(analysis, **spec)
    cluster.run(300, until=lambda: bool(cluster.state.hooks.waiting_for))
    cluster.run(25)
    return cluster


def seconds_at(cluster: SimulatedCluster) -> dict[int, float]:
    """Play a run to its end; return for how long the canary had each weight in its analysis."""
    spent: dict[int, float] = {}
    while cluster.state.phase not in {Phase.PROMOTING, Phase.SUCCEEDED, Phase.FAILED}:
        weight, since_s = cluster.state.traffic.canary_percent, cluster.now_s
        decision = cluster.tick()
        if decision.wake_after_s:
            cluster.now_s += decision.wake_after_s
        spent[weight] = spent.get(weight, 0.0) + cluster.now_s - since_s
    return {weight: round(at_s, 3) for weight, at_s in spent.items()}


def ours(cluster: SimulatedCluster) -> dict[str, Any]:
    """Return what the status says of the steps."""
    keys = ("step", "stepServedAt", "stepResumed", "bakeStartedAt", "waitingFor")
    return {key: cluster.status["serin"][key] for key in keys if key in cluster.status["serin"]}


def resume(cluster: SimulatedCluster) -> str:
    cluster.request, cluster.requested_by = resume_text(cluster), "alice"
    cluster.settle()
    result: str = cluster.status["serin"]["request"]["result"]
    return result


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


# Pauses.


def test_a_pause_holds_until_it_is_resumed_and_no_longer() -> None:
    cluster = at_pause()
    cluster.run(86_400)
    assert (cluster.weights, phase(cluster)) == ((80, 20), Phase.PROGRESSING)
    assert (ours(cluster)["step"], ours(cluster)["waitingFor"]) == (2, ["pause/2"])
    assert cluster.texts().count(PAUSED) == 1
    assert [news.alert for news in cluster.told if news.text == PAUSED] == [
        Alert("warn", "Canary is paused at weight 20, until it is resumed.")
    ]
    assert resume(cluster) == "accepted"
    assert cluster.weights == (50, 50), "its checks had passed: nobody waits for others"
    assert "Resuming podinfo.test, by request of alice" in cluster.texts()
    assert "waitingFor" not in ours(cluster)
    assert "stepResumed" not in ours(cluster)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


@pytest.mark.parametrize(("verdict", "after_s"), [(FAIL, 25), (NO_DATA, 700)])
def test_a_pause_is_checked_and_rolled_back(verdict: Verdict, after_s: float) -> None:
    cluster = at_pause()
    cluster.run(600)
    cluster.verdicts = always(verdict)
    cluster.run(after_s)
    assert (phase(cluster), cluster.weights, ours(cluster)) == (Phase.FAILED, (100, 0), {})


def test_what_is_resumed_at_once_has_an_interval_of_checks_that_pass_all_the_same() -> None:
    cluster = begun(listed(pause(20), step(50)))
    cluster.verdicts = iter([NO_DATA, *[PASS] * 99])
    assert resume(cluster) == "accepted"
    assert ours(cluster)["stepResumed"] is True
    assert seconds_at(cluster) == {20: 20, 50: 10}


def test_a_resume_ends_a_pause_by_request_first_and_the_steps_own_stays() -> None:
    cluster = at_pause()
    cluster.request = f"pause@{REVISION}"
    cluster.settle()
    assert cluster.status["serin"]["paused"] is True
    assert resume(cluster) == "accepted"
    cluster.run(600)
    assert (cluster.weights, ours(cluster)["waitingFor"]) == ((80, 20), ["pause/2"])
    text = "Resuming podinfo.test, by request of alice. Step 2 still pauses it: resume it once more"
    assert text in cluster.texts()
    assert resume(cluster) == "accepted"
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_step_that_is_no_pause_can_not_be_resumed_ahead() -> None:
    cluster = begun(PAUSE_AT_20)
    assert resume(cluster) == "refused"
    assert cluster.status["serin"]["request"]["why"] == f"resume of a paused run; {REVISION} is not paused"
    cluster.run(60)
    assert ours(cluster)["waitingFor"] == ["pause/2"]


def test_each_pause_is_resumed_for_itself() -> None:
    cluster = at_pause(listed(pause(20), pause(20), pause(40)))
    for number in (1, 2, 3):
        assert (ours(cluster)["step"], ours(cluster)["waitingFor"]) == (number, [f"pause/{number}"])
        resume(cluster)
        cluster.run(15)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_resume_whose_text_was_carried_out_ends_no_other_pause_of_the_run() -> None:
    cluster = at_pause(listed(pause(20), pause(40), step(60)))
    for count in range(3):
        cluster.request = f"resume@{REVISION}"
        cluster.run(60)
        assert (cluster.request, ours(cluster)["waitingFor"], cluster.weights) == ("", ["pause/2"], (60, 40))
        assert cluster.status["serin"]["request"]["result"] == ("refused" if count else "accepted")
    assert cluster.status["serin"]["request"]["why"] == (
        "resume@aaaaaaaaaaaaaaa, or as many characters of aaaaaaaaaaaaaaaa as were not used last; this text was "
        "carried out, and where it is kept in Git it would be after each pause"
    )
    cluster.request = f"resume@{REVISION[:-1]}"
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_resume_of_a_run_is_carried_out_though_one_of_an_earlier_run_had_its_text() -> None:
    cluster = at_pause()
    cluster.request = f"resume@{REVISION}"
    cluster.verdicts = always(FAIL)
    cluster.run(100)
    assert phase(cluster) is Phase.FAILED
    cluster.verdicts = always(PASS)
    cluster.set_image("bbbbbbbbbbbbbbbb")
    cluster.run(60)
    cluster.set_image(REVISION)
    cluster.settle()
    cluster.run(300, until=lambda: bool(cluster.state.hooks.waiting_for))
    cluster.request = f"resume@{REVISION}"
    cluster.settle()
    assert cluster.status["serin"]["request"].get("why", "") == ""


@pytest.mark.parametrize(("verb", "expected"), [("promote", Phase.SUCCEEDED), ("abort", Phase.FAILED)])
def test_other_requests_are_carried_out_at_a_pause(verb: str, expected: Phase) -> None:
    cluster = at_pause(PAUSE_AT_20 | {"bake": "1h"})
    cluster.request = f"{verb}@{REVISION}"
    cluster.run(60)
    assert (phase(cluster), ours(cluster)) == (expected, {})


def test_a_pause_holds_where_the_primary_is_lost_and_a_duration_does_not() -> None:
    timed = begun(listed(step(20, "1h")))
    paused = at_pause()
    for cluster in (timed, paused):
        cluster.run(15)
        cluster.primary_readiness = UNREADY
        cluster.run(120)
    assert paused.weights == (80, 20)
    assert resume(paused) == "accepted"
    assert timed.weights == paused.weights == (0, 100)


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


# Edits in mid-run.


def edited(cluster: SimulatedCluster, analysis: dict[str, Any]) -> None:
    after: Canary = canary(analysis)
    cluster.canary = with_spec(cluster.canary, analysis=after.analysis)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (listed(step(10), step(20, "10s"), step(60)), {20: 10, 60: 10}),
        (listed(step(10), step(20, "2m"), step(60)), {20: 120, 60: 10}),
        (listed(step(5), step(10), step(30), step(60)), {20: 10, 30: 10, 60: 10}),
        (listed(step(10)), {20: 10}),
        (listed(step(10), step(20, "30s")), {20: 30}),
        (listed(steps=None, stepWeight=15, maxWeight=50), {20: 10, 35: 10, 50: 10}),
    ],
    ids=["shorter", "longer", "moved", "shortened list", "no later steps", "stepWeight"],
)
def test_an_edited_list_goes_on_from_the_present_weight(after: dict[str, Any], expected: dict[int, float]) -> None:
    cluster = begun(listed(step(10), step(20, "1h"), step(50)))
    cluster.run(100, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.settle()
    edited(cluster, after)
    assert seconds_at(cluster) == expected


def test_a_pause_that_an_edit_moves_is_asked_for_twice_rather_than_never() -> None:
    cluster = at_pause(listed(step(20), pause(20), step(50)))
    edited(cluster, listed(step(5), step(10), step(20), pause(20), step(50)))
    cluster.run(100)
    assert (cluster.weights, ours(cluster)["step"], ours(cluster)["waitingFor"]) == ((80, 20), 4, ["pause/4"])


@pytest.mark.parametrize(
    ("before", "after", "paused", "expected"),
    [
        ((step(20), step(50), pause(80)), (step(20), step(50), pause(60)), 3, [80, 0]),
        ((step(10), step(20), pause(50), step(80)), (step(10), pause(20), pause(40)), 3, [50, 0]),
        ((step(20), pause(50), step(80)), (step(20), pause(40), step(80)), 2, [50, 80, 0]),
        ((pause(50), step(80)), (step(10), step(20), pause(40), step(80)), 3, [50, 80, 0]),
        ((step(20), step(30), pause(50)), (pause(40),), 1, [50, 0]),
        ((step(20), step(30), pause(50)), (pause(40), step(45), step(48)), 1, [50, 0]),
        ((step(20), step(30), pause(50)), (pause(30), step(40), step(80)), 1, [50, 80, 0]),
    ],
    ids=[
        "last one lowered",
        "two",
        "middle one lowered",
        "later",
        "sooner, list ends",
        "sooner",
        "sooner, list goes on",
    ],
)
def test_a_pause_that_an_edit_takes_below_the_present_weight_holds_there_until_it_is_resumed(
    before: tuple[dict[str, Any], ...],
    after: tuple[dict[str, Any], ...],
    paused: int,
    expected: list[int],
) -> None:
    cluster = at_pause(listed(*before))
    weights = cluster.weights
    edited(cluster, listed(*after))
    cluster.run(100)
    assert (cluster.weights, phase(cluster)) == (weights, Phase.PROGRESSING)
    assert (ours(cluster)["step"], ours(cluster)["waitingFor"]) == (paused, [f"pause/{paused}"])
    assert resume(cluster) == "accepted"
    cluster.run(100)
    assert phase(cluster) is Phase.SUCCEEDED
    assert [share for _, share in cluster.history][-len(expected) :] == expected


def test_a_pause_that_was_resumed_is_not_asked_for_again_by_an_edit_below_it() -> None:
    cluster = at_pause(listed(pause(10), step(20, "1h"), step(50)))
    resume(cluster)
    cluster.run(30)
    edited(cluster, listed(pause(10), step(15), step(50)))
    cluster.run(5)
    assert (cluster.weights, ours(cluster)["step"]) == ((50, 50), 3)


def test_a_pause_that_is_put_in_below_the_present_weight_and_after_the_present_step_holds() -> None:
    cluster = begun(listed(step(10), step(50, "1h"), step(80)))
    cluster.run(100, until=lambda: cluster.state.traffic.canary_percent == 50)
    edited(cluster, listed(step(10), step(20), pause(40), step(80)))
    cluster.run(100)
    assert (cluster.weights, ours(cluster)["waitingFor"]) == ((50, 50), ["pause/3"])


def test_a_pause_that_is_taken_out_of_the_spec_is_waited_for_no_more_although_checks_fail() -> None:
    cluster = at_pause()
    cluster.verdicts = always(NO_DATA)
    cluster.run(15)
    edited(cluster, listed(step(10), step(20), step(50)))
    cluster.run(15)
    assert (cluster.weights, "waitingFor" in ours(cluster)) == ((80, 20), False)


def test_a_pause_that_is_taken_out_of_the_spec_holds_no_more_and_one_that_is_put_in_does() -> None:
    cluster = begun(listed(step(20, "1h"), step(50)))
    edited(cluster, listed(pause(20), step(50)))
    cluster.run(60)
    assert ours(cluster)["waitingFor"] == ["pause/1"]
    edited(cluster, listed(step(20, "1h"), step(50)))
    cluster.run(15)
    assert "waitingFor" not in ours(cluster)
    edited(cluster, listed(step(20), step(50)))
    cluster.run(15)
    assert cluster.weights == (50, 50)


def test_a_bake_that_is_taken_out_of_the_spec_ends_with_checks_that_pass() -> None:
    cluster = begun(listed(step(50), bake="1h"))
    cluster.run(60)
    edited(cluster, listed(step(50)))
    cluster.run(15)
    assert phase(cluster) is Phase.SUCCEEDED
