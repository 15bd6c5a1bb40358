"""A gateway that is silent, dead or refusing: nothing goes forward, and no pod goes that it may still send to."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from canary.run.action import Promote
from canary.run.judge import Verdict
from canary.run.managed import ManagedObject
from canary.run.observation import Question, RouteState
from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import always
from tests.support.simulated_runs import bootstrapped, phase

REVISION = "aaaaaaaaaaaaaaaa"
LONG_S = 1000.0  # longer than any deadline
SILENT = [RouteState.PENDING, RouteState.UNACKNOWLEDGED, RouteState.REJECTED]
TWO_STEPS = {"stepWeight": 25, "maxWeight": 50}


def at_weight(weight: int, analysis: dict[str, Any] | None = None, **spec: Any) -> SimulatedCluster:
    """Bring a run to the moment where a weight is stored, and not yet on the route."""
    cluster = bootstrapped(analysis or TWO_STEPS, **spec)
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == weight)
    return cluster


def advances(cluster: SimulatedCluster) -> list[str]:
    return [text for text in cluster.texts() if text.startswith("Advance")]


@pytest.mark.parametrize("state", [RouteState.UNACKNOWLEDGED, RouteState.REJECTED])
def test_a_step_that_is_not_served_is_the_last_one_and_its_checks_go_on(state: RouteState) -> None:
    cluster = at_weight(25)
    cluster.route_state = state
    cluster.run(LONG_S)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.PROGRESSING, (75, 25), 2)
    assert cluster.questions.count(Question.CHECKS) > 80
    cluster.route_state = RouteState.SETTLED
    cluster.run(120)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, REVISION)


def test_a_silent_gateway_is_told_in_words() -> None:
    cluster = at_weight(25)
    cluster.route_state = RouteState.UNACKNOWLEDGED
    cluster.run(60)
    (remark,) = cluster.tick().remarks
    assert (remark.text, remark.is_warning) == ("Halt podinfo.test advancement the gateway's reason", True)


@pytest.mark.parametrize("state", SILENT)
def test_no_promotion_begins_while_the_last_step_is_not_served(state: RouteState) -> None:
    cluster = at_weight(50)
    cluster.route_state = state
    cluster.run(LONG_S)
    assert (phase(cluster), cluster.primary_revision) == (Phase.PROGRESSING, "rev-1")


@pytest.mark.parametrize("state", SILENT)
def test_a_promotion_in_steps_goes_no_further_than_what_is_served(state: RouteState) -> None:
    cluster = at_weight(50, TWO_STEPS | {"stepWeightPromotion": 20})
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 30)
    cluster.route_state = state
    cluster.run(LONG_S)
    assert (phase(cluster), cluster.weights) == (Phase.PROMOTING, (70, 30))
    cluster.route_state = RouteState.SETTLED
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_promotion_that_was_asked_for_waits_for_the_gateway_and_an_abort_does_not() -> None:
    cluster = at_weight(25)
    cluster.route_state = RouteState.UNACKNOWLEDGED
    cluster.request = f"promote@{REVISION}"
    cluster.run(LONG_S)
    assert (phase(cluster), cluster.primary_revision, cluster.request) == (Phase.PROGRESSING, "rev-1", "")
    cluster.request = f"abort@{REVISION}"
    cluster.run(60)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.FAILED, (100, 0), 2)


@pytest.mark.parametrize("state", SILENT)
def test_a_rollback_is_written_at_once_and_the_canary_side_kept_until_it_is_served(state: RouteState) -> None:
    cluster = at_weight(25)
    cluster.run(1)
    cluster.route_state, cluster.verdicts = state, always(Verdict.FAIL)
    cluster.run(120)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))
    cluster.run(LONG_S)
    assert cluster.target_replicas == 2
    cluster.route_state = RouteState.SETTLED
    cluster.run(60)
    assert cluster.target_replicas == 0


def test_a_side_that_still_gets_requests_is_kept_however_long() -> None:
    cluster = at_weight(50, TWO_STEPS | {"drainSeconds": 0})
    cluster.is_drained = False
    cluster.run(LONG_S)
    assert (phase(cluster), cluster.target_replicas) == (Phase.FINALISING, 2)
    cluster.is_drained = True
    cluster.run(10)
    assert (phase(cluster), cluster.target_replicas) == (Phase.SUCCEEDED, 0)


def test_drain_seconds_count_from_the_acknowledged_shift_where_nobody_can_be_asked() -> None:
    cluster = at_weight(50, TWO_STEPS | {"drainSeconds": 40})
    cluster.run(60, until=lambda: cluster.state.phase is Phase.FINALISING)
    cluster.route_state, cluster.is_drained = RouteState.UNACKNOWLEDGED, None
    cluster.run(500)
    cluster.route_state = RouteState.SETTLED
    cluster.run(38)
    assert cluster.target_replicas == 2
    cluster.run(5)
    assert cluster.target_replicas == 0


def test_an_interval_begins_when_its_step_is_served() -> None:
    cluster = at_weight(25, TWO_STEPS | {"interval": "30s"})
    cluster.route_state = RouteState.PENDING
    cluster.run(100)
    asked = cluster.questions.count(Question.CHECKS)
    cluster.route_state = RouteState.SETTLED
    cluster.run(28)
    assert (cluster.weights, cluster.questions.count(Question.CHECKS)) == ((75, 25), asked)
    cluster.run(5)
    assert cluster.weights == (50, 50)


@pytest.mark.parametrize(
    "analysis", [TWO_STEPS | {"stepWeight": 10}, {"iterations": 4, "stepWeight": None, "maxWeight": None}]
)
@pytest.mark.parametrize("frozen", range(1, 16))
def test_nobody_passes_two_steps_at_once_after_the_api_server_was_away(analysis: dict[str, Any], frozen: int) -> None:
    """A write that takes 40 s, whichever it is, makes a step late; the next one has its whole interval all the same."""
    cluster = bootstrapped(analysis | {"interval": "10s"})
    stored_at_s: dict[tuple[int, int], float] = {}
    writes = 0

    def freeze(effect: str) -> None:
        nonlocal writes
        if effect not in {"answers", "news"}:
            writes += 1
            cluster.now_s += 40 if writes == frozen else 0

    def note(_: str) -> None:
        step = (cluster.state.traffic.canary_percent, cluster.state.analysis.iterations)
        if cluster.state.analysis.started_at_s is not None and phase(cluster) is Phase.PROGRESSING:
            stored_at_s.setdefault(step, cluster.now_s)

    cluster.before_effect, cluster.after_effect = freeze, note
    cluster.set_image(REVISION)
    cluster.run(300)
    assert len(stored_at_s) >= 4
    assert all(later - earlier >= 9.9 for earlier, later in pairwise(stored_at_s.values())), stored_at_s


@pytest.mark.parametrize("state", [RouteState.UNACKNOWLEDGED, RouteState.REJECTED])
def test_a_side_that_was_shifted_away_from_stays_when_the_gateway_refuses_the_route_since(state: RouteState) -> None:
    cluster = at_weight(50)
    cluster.is_drained = None
    cluster.run(60, until=lambda: cluster.state.timing.shifted_at_s is not None)
    cluster.route_state = state
    cluster.run(LONG_S)
    is_known_served = state is RouteState.UNACKNOWLEDGED
    assert cluster.target_replicas == (0 if is_known_served else 2)


def test_the_primary_is_not_rolled_while_the_gateway_refuses_the_route() -> None:
    cluster = at_weight(50)
    cluster.refused_actions = {Promote}
    cluster.run(60, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.refused_actions, cluster.route_state = set(), RouteState.REJECTED
    cluster.run(LONG_S)
    assert (phase(cluster), cluster.primary_revision) == (Phase.PROMOTING, "rev-1")
    cluster.route_state = RouteState.SETTLED
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_what_was_served_once_is_known_after_a_restart() -> None:
    """The agent that starts can't tell from the object; what its predecessor stored is enough to go on from."""
    cluster = at_weight(25)
    cluster.route_state = RouteState.PENDING
    cluster.run(6)
    cluster.route_state = RouteState.SETTLED
    cluster.run(1)
    cluster.route_state = RouteState.UNACKNOWLEDGED
    cluster.restart()
    cluster.run(60)
    assert (cluster.state.traffic.canary_percent, cluster.served) == (50, (75, 25)), "it goes to the next step only"
    cluster.run(LONG_S)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.PROGRESSING, (50, 50), "rev-1")


def test_weights_that_somebody_else_wrote_are_put_right_and_the_side_is_kept_until_that_is_served() -> None:
    cluster = at_weight(50)
    cluster.run(60, until=lambda: cluster.state.timing.shifted_at_s is not None)
    cluster.weights, cluster.is_drained = (50, 50), None
    cluster.observe()
    cluster.route_state = RouteState.UNACKNOWLEDGED
    cluster.run(LONG_S)
    assert (cluster.weights, cluster.served, cluster.target_replicas) == ((100, 0), (50, 50), 2)


@pytest.mark.parametrize("state", SILENT)
def test_a_deletion_waits_until_the_target_is_served(state: RouteState) -> None:
    cluster = bootstrapped(revertOnDeletion=True)
    cluster.is_deleted = True
    cluster.run(60, until=lambda: ManagedObject.ROUTE in cluster.released or cluster.state.served_at_s is None)
    cluster.route_state = state
    cluster.run(LONG_S)
    assert (cluster.weights, cluster.has_finalizer) == ((0, 100), True)
    cluster.route_state = RouteState.SETTLED
    cluster.run(60)
    assert not cluster.has_finalizer


def test_a_deletion_waits_until_the_primary_gets_no_request() -> None:
    cluster = bootstrapped(revertOnDeletion=True)
    cluster.is_deleted, cluster.is_drained = True, False
    cluster.run(LONG_S)
    assert (cluster.weights, cluster.has_finalizer) == ((0, 100), True)
    assert "Removing podinfo-primary.test waits: it still gets requests" in [
        remark.text for remark in cluster.tick().remarks
    ]
    cluster.is_drained = True
    cluster.run(10)
    assert not cluster.has_finalizer


def test_the_route_is_made_when_its_upstreams_are_accepted() -> None:
    cluster = SimulatedCluster(canary(), unaccepted="Upstream test/a is Pending: Gloo has not looked at it; is it up?")
    cluster.run(8)
    assert ManagedObject.CANARY_UPSTREAM in cluster.parts
    assert cluster.tick().remarks == (), "it takes a moment, always"
    cluster.run(60)
    assert ManagedObject.ROUTE not in cluster.parts
    assert ManagedObject.APEX_SERVICE not in cluster.parts
    (remark,) = cluster.tick().remarks
    assert remark.text == (
        "Halt podinfo.test advancement Upstream test/a is Pending: Gloo has not looked at it; is it up?"
    )
    cluster.unaccepted = ""
    cluster.run(10)
    assert phase(cluster) is Phase.INITIALIZED


def test_what_is_known_of_one_split_is_not_known_of_another() -> None:
    cluster = at_weight(25)
    state = replace(cluster.state, served_at_s=cluster.now_s)
    stays = state.update_to(replace(state, previous_cookie="x"), cluster.now_s)
    moves = state.update_to(replace(state, traffic=replace(state.traffic, canary_percent=26)), cluster.now_s)
    assert (stays.served_at_s, moves.served_at_s) == (state.served_at_s, None)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_gateway_that_may_know_the_routes_is_given_others_of_the_same_split(*, is_deleted: bool) -> None:
    """A weight was written and taken back while Gloo was away: that is no change to it, and nothing would ever come."""
    cluster = at_weight(25, revertOnDeletion=is_deleted)
    cluster.run(1)
    cluster.is_deleted, cluster.verdicts = is_deleted, always(Verdict.FAIL)
    cluster.run(120, until=lambda: sum(cluster.shares) > 0 and 0 in cluster.shares)
    cluster.route_state, cluster.may_be_known = RouteState.UNACKNOWLEDGED, True
    cluster.run(LONG_S)
    split = (0, 200) if is_deleted else (200, 0)
    assert (cluster.weights, cluster.target_replicas > 0) == (split, True), "repeated once, and nothing goes"
    cluster.route_state = RouteState.SETTLED
    cluster.run(60)
    assert cluster.has_finalizer is False if is_deleted else (cluster.weights, cluster.target_replicas) == ((100, 0), 0)


def test_a_split_that_the_gateway_can_not_know_is_not_repeated() -> None:
    cluster = at_weight(25)
    cluster.route_state = RouteState.UNACKNOWLEDGED
    cluster.run(LONG_S)
    assert cluster.weights == (75, 25)
