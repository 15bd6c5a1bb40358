"""A run writes its status where something has to outlive the agent, and nowhere else."""

from canary.run.observation import Question, RouteState
from canary.run.phase import Phase
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_runs import bootstrapped, phase

REVISION = "aaaaaaaaaaaaaaaa"
FIVE_STEPS = {"interval": "10s", "stepWeight": 10, "maxWeight": 50}


def begun(**spec: object) -> SimulatedCluster:
    """Return a cluster whose target has just got another template; its canary side is at zero."""
    cluster = bootstrapped(FIVE_STEPS | spec)
    assert cluster.target_replicas == 0
    cluster.set_image(REVISION)
    return cluster


def writes(cluster: SimulatedCluster) -> int:
    """Each write of the status is a transition with a number of its own."""
    return cluster.state.transition.sequence


def at_weight(weight: int) -> SimulatedCluster:
    """Return a run whose weight is stored, and not on the route yet."""
    cluster = begun()
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == weight)
    return cluster


def test_a_run_of_five_steps_writes_its_status_twelve_times() -> None:
    # Noticed, up, five weights, promoting, the primary up, back, draining, promoted.
    cluster = begun()
    before = writes(cluster)
    cluster.run(300)
    assert (phase(cluster), writes(cluster) - before) == (Phase.SUCCEEDED, 12)


def test_a_step_that_is_served_at_once_is_not_written_again_and_its_interval_counts_from_then() -> None:
    cluster = at_weight(10)
    cluster.route_state = RouteState.PENDING
    stored_at_s, before = cluster.now_s, writes(cluster)
    cluster.run(2)
    cluster.route_state = RouteState.SETTLED
    cluster.settle()
    checks, served_at_s = cluster.questions.count(Question.CHECKS), cluster.now_s
    assert served_at_s >= stored_at_s + 2
    cluster.run(served_at_s + 9.5 - cluster.now_s)
    assert (writes(cluster), cluster.questions.count(Question.CHECKS)) == (before, checks)
    cluster.run(1.5)
    assert (cluster.weights, cluster.questions.count(Question.CHECKS)) == ((80, 20), checks + 1)


def test_a_step_that_the_gateway_takes_long_to_serve_is_stored_when_it_does() -> None:
    cluster = at_weight(10)
    cluster.route_state = RouteState.PENDING
    cluster.run(6)
    cluster.route_state = RouteState.SETTLED
    cluster.settle()
    assert cluster.state.served_at_s == cluster.now_s


def test_a_step_that_lasts_for_a_time_of_its_own_is_stored_when_it_is_served() -> None:
    steps = [{"weight": 10, "duration": "1m"}, {"weight": 50}]
    cluster = bootstrapped({"interval": "10s", "steps": steps, "stepWeight": None, "maxWeight": None})
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.weights == (90, 10))
    cluster.settle()
    assert cluster.state.analysis.step.served_at_s == cluster.now_s


def test_agents_that_live_shorter_than_an_interval_bring_a_run_to_its_end() -> None:
    cluster = begun()
    for _ in range(60):
        cluster.run(7)
        cluster.now_s += 2
        cluster.restart()
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, REVISION)


def test_a_route_that_somebody_changes_is_put_right_and_counts_from_then() -> None:
    cluster = at_weight(10)
    cluster.settle()
    cluster.run(8)
    cluster.weights = (50, 50)
    cluster.settle()
    assert cluster.weights == (90, 10)
    checks, put_right_at_s = cluster.questions.count(Question.CHECKS), cluster.now_s
    cluster.run(9.5)
    assert cluster.questions.count(Question.CHECKS) == checks
    cluster.run(put_right_at_s + 11 - cluster.now_s)
    assert cluster.questions.count(Question.CHECKS) == checks + 1


def test_scaling_at_rest_is_stored_as_nothing_else_will_be() -> None:
    cluster = bootstrapped(FIVE_STEPS)
    cluster.generation += 1
    cluster.settle()
    assert cluster.state.target is not None
    assert cluster.state.target.generation == cluster.generation


def test_a_template_that_is_only_read_otherwise_after_our_scaling_begins_no_other_run() -> None:
    # As after an upgrade of the API server, in mid-run: the generation is the one that our own scaling made.
    cluster = at_weight(20)
    cluster.settle()
    cluster.revision = "bbbbbbbbbbbbbbbb"
    cluster.run(5)
    assert (phase(cluster), cluster.weights, cluster.state.revisions.analysed) == (
        Phase.PROGRESSING,
        (80, 20),
        "bbbbbbbbbbbbbbbb",
    )


def test_a_long_interval_is_not_begun_anew_by_another_agent() -> None:
    cluster = bootstrapped(FIVE_STEPS | {"interval": "5m"})
    cluster.set_image(REVISION)
    cluster.run(900, until=lambda: cluster.weights == (90, 10))
    cluster.settle()
    served_at_s, checks = cluster.now_s, cluster.questions.count(Question.CHECKS)
    cluster.run(200)
    cluster.now_s += 60
    cluster.restart()
    cluster.run(served_at_s + 301 - cluster.now_s)
    assert cluster.questions.count(Question.CHECKS) == checks + 1


def test_a_gateway_that_refuses_for_a_moment_makes_no_check_late() -> None:
    cluster = at_weight(10)
    cluster.settle()
    served_at_s, checks = cluster.now_s, cluster.questions.count(Question.CHECKS)
    cluster.run(7)
    cluster.route_state = RouteState.REJECTED
    cluster.run(2)
    cluster.route_state = RouteState.SETTLED
    cluster.run(served_at_s + 10.5 - cluster.now_s)
    assert cluster.questions.count(Question.CHECKS) == checks + 1


def test_a_bake_that_is_added_in_mid_step_makes_no_check_late() -> None:
    cluster = at_weight(10)
    cluster.settle()
    served_at_s, checks = cluster.now_s, cluster.questions.count(Question.CHECKS)
    cluster.run(8)
    cluster.canary = canary(FIVE_STEPS | {"bake": "10m"})
    cluster.run(served_at_s + 10.5 - cluster.now_s)
    assert cluster.questions.count(Question.CHECKS) == checks + 1


def test_an_interval_that_is_made_longer_in_mid_step_is_for_the_next_one() -> None:
    cluster = at_weight(10)
    cluster.settle()
    checks = cluster.questions.count(Question.CHECKS)
    cluster.run(8)
    cluster.canary = canary(FIVE_STEPS | {"interval": "10m"})
    cluster.run(8)
    assert cluster.questions.count(Question.CHECKS) == checks + 1
