"""How long runs take, and how fast traffic is taken off a bad revision: measured by the intents that are stored."""

from agent.series.agent_metrics import AgentMetrics
from agent.series.runs import RunTimes
from canary.run.judge import Verdict
from canary.run.observation import RouteState
from canary.run.phase import Phase
from tests.support.exposition import exposed
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, UNREADY, always
from tests.support.simulated_runs import bootstrapped

NEXT, LATER = "bbbbbbbbbbbbbbbb", "cccccccccccccccc"


def measured(cluster: SimulatedCluster) -> AgentMetrics:
    """Return the series of an agent that stores what this cluster's agent stores."""
    metrics = AgentMetrics("1.2.3")
    times, before = RunTimes(metrics.runs), [cluster.state]

    def note(effect: str) -> None:
        if effect == "intent":
            times.note(before[0], cluster.state)
            before[0] = cluster.state

    cluster.after_effect = note
    return metrics


def runs(metrics: AgentMetrics) -> dict[str, tuple[float, float]]:
    """Return for each outcome how many runs had it, and how long they took together."""
    shown, name = exposed(metrics), "serin_run_duration_seconds"
    return {
        outcome: (shown[f'{name}_count{{outcome="{outcome}"}}'], shown[f'{name}_sum{{outcome="{outcome}"}}'])
        for outcome in ("promoted", "rolledBack", "superseded")
    }


def rollbacks(metrics: AgentMetrics) -> tuple[float, float]:
    shown = exposed(metrics)
    return shown["serin_rollback_seconds_count"], shown["serin_rollback_seconds_sum"]


def test_before_the_first_run_all_outcomes_are_there_and_the_bootstrap_is_none_of_them() -> None:
    cluster = SimulatedCluster(bootstrapped().canary)
    metrics = measured(cluster)
    cluster.run(60)
    assert cluster.state.phase is Phase.INITIALIZED
    assert runs(metrics) == {"promoted": (0, 0), "rolledBack": (0, 0), "superseded": (0, 0)}
    assert rollbacks(metrics) == (0, 0)


def test_a_run_takes_from_its_beginning_to_its_end() -> None:
    cluster = bootstrapped()
    metrics = measured(cluster)
    began_at_s = cluster.now_s
    cluster.set_image(NEXT)
    cluster.run(900, until=lambda: cluster.state.revisions.finished == NEXT)
    took_s = cluster.now_s - began_at_s
    assert took_s > 100
    assert runs(metrics) == {"promoted": (1, took_s), "rolledBack": (0, 0), "superseded": (0, 0)}
    assert rollbacks(metrics) == (0, 0)


def test_a_run_that_another_revision_ends_is_superseded_and_the_next_one_begins() -> None:
    cluster = bootstrapped()
    metrics = measured(cluster)
    cluster.set_image(NEXT)
    cluster.run(42)
    cluster.set_image(LATER)
    cluster.run(900, until=lambda: cluster.state.revisions.finished == LATER)
    shown = runs(metrics)
    assert shown["superseded"] == (1, 42)
    assert shown["promoted"][0] == 1
    assert shown["rolledBack"] == (0, 0)


def failing(cluster: SimulatedCluster) -> None:
    """Let checks pass until there is traffic, then fail, and stop when that decides the run."""
    cluster.set_image(NEXT)
    cluster.run(900, until=lambda: cluster.state.traffic.canary_percent > 0)
    cluster.verdicts = always(Verdict.FAIL)


def test_a_rollback_takes_until_the_gateway_serves_the_primary_alone() -> None:
    cluster = bootstrapped()
    metrics = measured(cluster)
    failing(cluster)
    cluster.run(900, until=lambda: cluster.state.phase is Phase.FAILED)
    cluster.route_state = RouteState.UNACKNOWLEDGED
    cluster.run(7)
    assert rollbacks(metrics) == (0, 0)
    cluster.route_state = RouteState.SETTLED
    cluster.run(30)
    assert cluster.served == (100, 0)
    count, took_s = rollbacks(metrics)
    assert count == 1
    assert 7 <= took_s <= 9
    assert runs(metrics)["rolledBack"][0] == 1
    cluster.run(600)
    assert rollbacks(metrics) == (1, took_s)


def test_a_rollback_that_waits_for_the_primary_counts_from_the_decision() -> None:
    cluster = bootstrapped()
    metrics = measured(cluster)
    failing(cluster)
    cluster.primary_readiness = UNREADY
    cluster.run(900, until=lambda: cluster.state.analysis.is_given_up)
    cluster.run(50)
    assert rollbacks(metrics) == (0, 0)
    cluster.primary_readiness = READY
    cluster.run(30)
    count, took_s = rollbacks(metrics)
    assert count == 1
    assert 50 <= took_s <= 60


def test_a_run_that_fails_before_it_has_traffic_has_none_to_be_taken_off() -> None:
    cluster = bootstrapped()
    metrics = measured(cluster)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.set_image(NEXT)
    cluster.run(900, until=lambda: cluster.state.phase is Phase.FAILED)
    cluster.run(60)
    assert runs(metrics)["rolledBack"][0] == 1
    assert rollbacks(metrics) == (0, 0)
