"""`analysis.steps` and `bake` that are edited in the midst of a run."""

from typing import Any

import pytest

from canary.api.canary import Canary
from canary.run.phase import Phase
from tests.support.canaries import canary, with_spec
from tests.support.listed_steps import (
    NO_DATA,
    at_pause,
    begun,
    listed,
    ours,
    pause,
    resume,
    seconds_at,
    step,
)
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import always
from tests.support.simulated_runs import phase


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
