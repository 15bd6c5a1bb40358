"""A canary that Flagger left in any phase: it becomes ours, and nothing runs that nobody asked for."""

from typing import Any

import pytest

from canary.run.managed import ManagedObject
from canary.run.phase import ANALYSING, Phase
from canary.run.readiness import Readiness
from canary.run.state import Blocker, State
from canary.run.status import read_state
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY
from tests.support.simulated_runs import bootstrapped, phase

TARGET = "aaaaaaaaaaaaaaaa"
FLAGGERS = "6b8c7d9f5"
"""Flagger's own hash, which can't be computed again."""


def flaggers(word: Phase, *, is_same_template: bool = True, weight: int = 0, replicas: int = 0) -> SimulatedCluster:
    """Return a canary as Flagger left it: everything made, and a status with nothing of ours in it."""
    cluster = SimulatedCluster(canary(), revision=TARGET, target_replicas=replicas)
    cluster.parts = set(ManagedObject) - {ManagedObject.TARGET_SCALER}
    cluster.primary_revision, cluster.primary_runs_target = "", is_same_template
    cluster.weights = (100 - weight, weight)
    cluster.status = {
        "phase": str(word),
        "canaryWeight": weight,
        "failedChecks": 1,
        "iterations": 0,
        "lastAppliedSpec": FLAGGERS,
        "lastPromotedSpec": FLAGGERS,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    cluster.state = read_state(cluster.status)
    return cluster


@pytest.mark.parametrize("word", [Phase.INITIALIZED, Phase.SUCCEEDED])
def test_a_primary_with_the_targets_template_is_the_baseline(word: Phase) -> None:
    cluster = flaggers(word)
    cluster.run(300)
    assert phase(cluster) is word
    assert (cluster.state.revisions.promoted, cluster.state.revisions.finished) == (TARGET, TARGET)
    assert cluster.texts() == ["Taken over podinfo.test from Flagger: the primary runs the target's template"]
    assert (cluster.promoted, cluster.history) == ([], []), "something was rolled out"
    cluster.set_image("bbbbbbbbbbbbbbbb")
    cluster.run(900)
    assert cluster.primary_revision == "bbbbbbbbbbbbbbbb"


@pytest.mark.parametrize("word", [Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FINALISING, Phase.INITIALIZING])
def test_a_primary_with_another_template_is_told_and_runs_only_when_asked_for(word: Phase) -> None:
    cluster = flaggers(word, is_same_template=False)
    cluster.run(300)
    assert phase(cluster) in {Phase.INITIALIZED, Phase.SUCCEEDED}
    assert cluster.promoted == []
    [told] = [news for news in cluster.told if news.is_warning]
    assert f"retry@{TARGET}" in told.text
    cluster.request = f"retry@{TARGET}"
    cluster.run(900)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, TARGET)


@pytest.mark.parametrize("word", sorted(ANALYSING))
def test_a_run_under_way_loses_its_traffic_and_has_failed(word: Phase) -> None:
    cluster = flaggers(word, is_same_template=False, weight=30, replicas=2)
    cluster.run(120)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.FAILED, (100, 0), 0)
    assert any("taken over from Flagger in mid-run" in text for text in cluster.texts())
    assert cluster.promoted == []
    cluster.request = f"retry@{TARGET}"
    cluster.run(900)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, TARGET)


def test_a_run_under_way_loses_its_traffic_even_without_a_target() -> None:
    cluster = flaggers(Phase.PROGRESSING, weight=30)
    cluster.is_target_gone = True
    cluster.blockers = (Blocker("TargetNotFound", "no such target"),)
    cluster.settle()
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))


@pytest.mark.parametrize(("word", "weight"), [(Phase.PROMOTING, 50), (Phase.FINALISING, 0)])
def test_a_promotion_is_finished(word: Phase, weight: int) -> None:
    cluster = flaggers(word, is_same_template=word is Phase.FINALISING, weight=weight, replicas=2)
    cluster.run(5, until=lambda: cluster.state.revisions.finished != "")
    assert cluster.weights == (100 - weight, weight), "the traffic moved before the primary was up"
    cluster.run(120)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.SUCCEEDED, (100, 0), 0)
    assert cluster.state.revisions.promoted == TARGET


def test_the_canary_side_of_an_ended_promotion_goes_whatever_the_primary_runs() -> None:
    cluster = flaggers(Phase.FINALISING, is_same_template=False, replicas=2)
    cluster.run(300)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.SUCCEEDED, (100, 0), 0)
    assert cluster.promoted == [], "something was rolled out"


@pytest.mark.parametrize("is_same_template", [True, False])
def test_a_failed_run_stays_failed_and_can_be_retried(*, is_same_template: bool) -> None:
    cluster = flaggers(Phase.FAILED, is_same_template=is_same_template, replicas=2)
    cluster.run(300)
    assert (phase(cluster), cluster.target_replicas) == (Phase.FAILED, 0)
    assert (cluster.promoted, cluster.history) == ([], [])
    cluster.request = f"retry@{TARGET}"
    cluster.run(900)
    assert (phase(cluster) is Phase.SUCCEEDED) is not is_same_template, "the promoted revision needs no retry"


def test_a_bootstrap_goes_on() -> None:
    cluster = flaggers(Phase.INITIALIZING, replicas=2)
    cluster.parts -= {ManagedObject.APEX_SERVICE, ManagedObject.ROUTE}
    cluster.run(60)
    assert (phase(cluster), cluster.target_replicas) == (Phase.INITIALIZED, 0)
    assert cluster.state.revisions.promoted == TARGET


def test_an_agent_that_was_here_before_flagger_left_a_word_on_the_primary_that_changes_nothing() -> None:
    cluster = flaggers(Phase.SUCCEEDED, is_same_template=False)
    cluster.primary_revision = "cccccccccccccccc"
    cluster.run(60)
    assert (phase(cluster), cluster.promoted) == (Phase.SUCCEEDED, [])


def test_nothing_is_taken_over_before_the_target_is_there() -> None:
    cluster = flaggers(Phase.SUCCEEDED)
    cluster.is_target_gone = True
    cluster.blockers = (Blocker("TargetNotFound", "no such target"),)
    cluster.settle()
    assert cluster.state.revisions.finished == ""
    assert cluster.status["conditions"][-1]["reason"] == "TargetNotFound"
    cluster.is_target_gone, cluster.blockers = False, ()
    cluster.run(60)
    assert cluster.state.revisions.finished == TARGET


def test_all_is_pulled_and_then_everything_stands_still_while_a_flagger_is_at_work(cluster: SimulatedCluster) -> None:
    cluster.set_image(TARGET)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.settle()
    cluster.flagger = "Lease flagger-system/flagger-leader-election: held by 'flagger-1'"
    cluster.request = f"abort@{TARGET}"
    cluster.settle()
    assert (cluster.weights, cluster.request) == ((100, 0), f"abort@{TARGET}")
    stored = cluster.state
    cluster.run(900)
    assert (cluster.state, cluster.request) == (stored, f"abort@{TARGET}")
    ready = condition(cluster, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "FlaggerRunning")
    assert "held by 'flagger-1'" in ready["message"]
    cluster.flagger = ""
    cluster.run(60)
    assert condition(cluster, "Ready")["status"] == "True"
    assert phase(cluster) is Phase.FAILED


def condition(cluster: SimulatedCluster, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in cluster.status["conditions"] if item["type"] == kind)
    return found


def ran_before() -> SimulatedCluster:
    """Return a canary whose run ended well; its route tells of many moves."""
    cluster = bootstrapped()
    cluster.set_image(TARGET)
    cluster.run(900)
    assert (phase(cluster), cluster.route_sequence > 10) == (Phase.SUCCEEDED, True)
    return cluster


@pytest.mark.parametrize("is_under_way", [False, True])
def test_a_wiped_status_begins_anew_whatever_the_route_tells(*, is_under_way: bool) -> None:
    cluster = ran_before()
    if is_under_way:
        cluster.set_image("bbbbbbbbbbbbbbbb")
        cluster.run(300, until=lambda: cluster.weights == (90, 10))
    cluster.status, cluster.state, cluster.told_sequence = {}, State(), 0
    cluster.run(60, until=lambda: phase(cluster) is Phase.INITIALIZED)
    assert (phase(cluster), cluster.weights) == (Phase.INITIALIZED, (100, 0))
    cluster.set_image("cccccccccccccccc")
    cluster.run(900)
    assert cluster.primary_revision == "cccccccccccccccc"


def test_a_canary_that_flagger_had_in_between_is_taken_over_again() -> None:
    cluster = ran_before()
    moves, told = cluster.route_sequence, len(cluster.told)
    cluster.status.pop("serin")
    cluster.state, cluster.primary_runs_target = read_state(cluster.status), True
    cluster.run(60)
    assert cluster.state.transition.sequence > moves
    assert cluster.texts()[told:] == ["Taken over podinfo.test from Flagger: the primary runs the target's template"]
    assert cluster.state.revisions.finished == TARGET


def test_a_wiped_status_holds_no_deletion() -> None:
    cluster = ran_before()
    cluster.canary, cluster.has_finalizer, cluster.is_deleted = canary(revertOnDeletion=True), True, True
    cluster.status.pop("serin")
    cluster.state = read_state(cluster.status)
    cluster.run(120)
    assert (cluster.has_finalizer, cluster.weights) == (False, (0, 100))


@pytest.mark.parametrize(("word", "weight"), [(Phase.FAILED, 0), (Phase.PROMOTING, 0), (Phase.PROMOTING, 60)])
@pytest.mark.parametrize("readiness", [ROLLING, UNREADY], ids=["rolling", "down"])
def test_a_promotion_that_hangs_later_needs_no_template_that_only_flagger_had(
    word: Phase, weight: int, readiness: Readiness
) -> None:
    cluster = flaggers(word, is_same_template=False, weight=weight, replicas=2 if weight else 0)
    if word is Phase.FAILED:
        cluster.run(30)
        cluster.set_image("cccccccccccccccc")
    cluster.run(900, until=lambda: bool(cluster.promoted))
    cluster.primary_readiness = readiness
    cluster.run(20)
    cluster.set_image("dddddddddddddddd")
    cluster.run(3600)
    cluster.primary_readiness = READY
    cluster.run(1800)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "dddddddddddddddd")
    assert set(cluster.promoted) <= {TARGET, "cccccccccccccccc", "dddddddddddddddd"}
