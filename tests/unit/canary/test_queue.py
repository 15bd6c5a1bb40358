"""A new revision waits for its turn where others' runs fill the bound: no traffic, no pods, and it is told once."""

from typing import Any

import pytest

from canary.run.phase import Phase
from canary.run.queue import Place, Queued
from tests.support.canaries import canary, with_spec
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_runs import phase

TOLD = "New revision of podinfo.test detected! Waiting for a turn: 3 of 12 in the queue; --max-runs is 20"
NEW, NEWER = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"


def place(position: int, of: int = 12) -> Place:
    return Place(position, of, "--max-runs is 20")


def ready(cluster: SimulatedCluster) -> dict[str, Any]:
    [condition] = [one for one in cluster.status["conditions"] if one["type"] == "Ready"]
    return {key: condition[key] for key in ("status", "reason", "message")}


@pytest.fixture
def waiting() -> SimulatedCluster:
    """Return a canary that was initialised, and whose new revision waits."""
    cluster = SimulatedCluster(canary())
    cluster.run(60)
    assert phase(cluster) is Phase.INITIALIZED
    cluster.place = place(3)
    cluster.set_image(NEW)
    cluster.run(600)
    return cluster


def test_a_new_revision_waits_without_pods_or_traffic_and_says_so_once(waiting: SimulatedCluster) -> None:
    assert (phase(waiting), waiting.target_replicas, waiting.shares) == (Phase.INITIALIZED, 0, (100, 0))
    assert waiting.texts().count(TOLD) == 1
    queue = waiting.status["serin"]["queue"]
    assert (queue["position"], queue["of"]) == (3, 12)
    assert ready(waiting) == {
        "status": "True",
        "reason": "Queued",
        "message": "A new revision waits for a turn: 3 of 12 in the queue.",
    }


def test_its_run_begins_when_it_is_its_turn(waiting: SimulatedCluster) -> None:
    waiting.place = None
    waiting.run(120)
    assert (phase(waiting), waiting.primary_revision) == (Phase.SUCCEEDED, NEW)
    assert "queue" not in waiting.status["serin"]
    assert ready(waiting)["reason"] == "Reconciling"


def test_a_newer_revision_keeps_the_place(waiting: SimulatedCluster) -> None:
    since = waiting.status["serin"]["queue"]["since"]
    waiting.set_image(NEWER)
    waiting.run(60)
    assert waiting.status["serin"]["queue"]["since"] == since
    assert waiting.texts().count(TOLD) == 1
    waiting.place = None
    waiting.run(120)
    assert waiting.primary_revision == NEWER
    assert waiting.promoted == ["rev-1", NEWER]


def test_who_is_set_back_to_what_is_promoted_waits_for_nothing(waiting: SimulatedCluster) -> None:
    waiting.set_image("rev-1")
    waiting.run(10)
    assert "queue" not in waiting.status["serin"]
    assert ready(waiting)["reason"] == "Reconciling"


def test_where_it_stands_is_written_when_that_changed_by_a_lot_and_once_a_minute_at_most(
    waiting: SimulatedCluster,
) -> None:
    def sequence() -> int:
        waiting.run(1)
        found: int = waiting.status["serin"]["sequence"]
        return found

    waiting.place = place(12)
    before = sequence()
    waiting.place = place(9)
    assert sequence() == before, "a minute has not passed"
    waiting.place = place(10)
    waiting.run(60)
    assert sequence() == before, "two of twelve are not a quarter"
    waiting.place = place(9)
    assert sequence() == before + 1
    assert waiting.status["serin"]["queue"]["position"] == 9


@pytest.mark.parametrize(
    ("position", "of", "has_moved"),
    [
        (100, 200, False),
        (76, 200, False),
        (75, 200, True),
        (125, 200, True),
        (100, 399, False),
        (100, 400, True),
        (100, 100, True),
    ],
)
def test_a_quarter_is_a_lot_and_so_is_twice_the_queue(*, position: int, of: int, has_moved: bool) -> None:
    assert Queued(100, 200, 0.0).has_moved(place(position, of)) is has_moved


def test_a_rollback_and_a_newer_revision_of_a_run_under_way_wait_for_nobody() -> None:
    cluster = SimulatedCluster(canary())
    cluster.run(60)
    cluster.set_image(NEW)
    cluster.run(20)
    assert phase(cluster) is Phase.PROGRESSING
    cluster.place = place(3)
    cluster.set_image(NEWER)
    cluster.run(5)
    assert (phase(cluster), cluster.status["lastAppliedSpec"]) == (Phase.PROGRESSING, NEWER)
    cluster.request = f"abort@{NEWER}"
    cluster.run(30)
    assert (phase(cluster), cluster.shares, cluster.target_replicas) == (Phase.FAILED, (100, 0), 0)


def test_somebody_who_asks_for_this_very_run_does_not_wait(waiting: SimulatedCluster) -> None:
    waiting.request = f"retry@{NEW}"
    waiting.run(5)
    assert phase(waiting) is Phase.PROGRESSING
    assert "queue" not in waiting.status["serin"]
    assert f"Running revision {NEW} of podinfo.test before its turn, by request" in waiting.texts()


def test_one_that_is_suspended_while_it_waits_keeps_its_age_and_does_not_begin(waiting: SimulatedCluster) -> None:
    since = waiting.status["serin"]["queue"]["since"]
    waiting.canary = with_spec(waiting.canary, suspend=True)
    waiting.place = None
    waiting.run(60)
    assert (phase(waiting), waiting.status["serin"]["queue"]["since"]) == (Phase.INITIALIZED, since)
