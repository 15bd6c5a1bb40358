"""Another CRD prunes what is stored of the intent: nothing stays exposed, nothing runs hot, all goes on when mended."""

from typing import Any

import pytest

from canary.run.phase import Phase
from canary.run.state import Revisions, State
from canary.run.status import lost_fields, read_state
from canary.run.traffic import Traffic
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, ROLLING, UNREADY, Refused
from tests.support.simulated_runs import bootstrapped, phase

REVISION = "aaaaaaaaaaaaaaaa"


def run(cluster: SimulatedCluster, seconds: float) -> None:
    """Let time pass; a tick whose write is not stored is tried again as `CanaryLoop` does."""
    end_s, failures = cluster.now_s + seconds, 0
    while cluster.now_s < end_s:
        try:
            cluster.run(end_s - cluster.now_s)
            failures = 0
        except Refused:
            failures += 1
            cluster.now_s = min(cluster.now_s + min(0.2 * 2.0**failures, 30.0), end_s)


def condition(cluster: SimulatedCluster) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in cluster.status["conditions"] if one["type"] == "Ready")
    return found


def exposed(**analysis: Any) -> SimulatedCluster:
    cluster = bootstrapped({"stepWeight": 50, "maxWeight": 100} | analysis)
    cluster.set_image(REVISION)
    cluster.run(60, until=lambda: cluster.weights == (50, 50))
    assert cluster.weights == (50, 50)
    return cluster


def test_traffic_is_pulled_from_a_canary_whose_run_is_not_stored_any_more() -> None:
    cluster = exposed()
    cluster.storage.prunes = True
    run(cluster, 15)
    assert cluster.weights == (100, 0)
    assert (cluster.status["phase"], cluster.status["canaryWeight"]) == ("Failed", 0)
    assert "serin" not in cluster.status


def test_it_is_told_once_and_stored_where_it_can_be_and_tried_ever_less_often() -> None:
    cluster = exposed()
    cluster.storage.prunes = True
    before = cluster.storage.writes
    run(cluster, 120)
    assert condition(cluster)["status"] == "False"
    assert condition(cluster)["reason"] == "StatusNotStored"
    assert condition(cluster)["message"].startswith("Canary test/podinfo: status.serin: found another value")
    assert [message.text for message in cluster.storage.told] == [condition(cluster)["message"]]
    assert cluster.storage.writes - before < 20
    before = cluster.storage.writes
    run(cluster, 600)
    assert cluster.storage.writes - before <= 12, "more than two a minute"


@pytest.mark.parametrize("start", ["idle", "new"])
def test_what_has_no_traffic_to_pull_stands_still(start: str) -> None:
    cluster = bootstrapped() if start == "idle" else bootstrapped(None)
    if start == "new":
        cluster.state, cluster.status, cluster.parts = State(), {}, set()
        cluster.primary_revision, cluster.weights = None, None
    cluster.storage.prunes = True
    cluster.set_image(REVISION)
    run(cluster, 300)
    assert condition(cluster)["reason"] == "StatusNotStored"
    assert cluster.primary_revision == ("rev-1" if start == "idle" else None)
    assert (cluster.weights or (100, 0)) == (100, 0)
    assert cluster.storage.writes < 30


def test_a_promotion_brings_everybody_to_the_primary_as_soon_as_that_serves() -> None:
    cluster = exposed(maxWeight=50)
    cluster.after_effect = lambda effect: setattr(
        cluster, "primary_readiness", UNREADY if "Promote" in effect else READY
    )
    cluster.run(60, until=lambda: cluster.primary_revision == REVISION)
    cluster.after_effect = lambda _: None
    cluster.primary_readiness = UNREADY
    cluster.storage.prunes = True
    run(cluster, 120)
    assert cluster.weights is not None
    assert cluster.weights[1] > 0, "taken from the only side that has a pod"
    cluster.primary_readiness = ROLLING
    run(cluster, 70)
    assert cluster.weights == (100, 0)


def test_it_goes_on_by_itself_when_the_crd_is_mended() -> None:
    cluster = exposed()
    cluster.storage.prunes = True
    run(cluster, 300)
    cluster.storage.prunes = False
    run(cluster, 120)
    assert condition(cluster)["status"] == "True"
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))
    cluster.set_image("bbbbbbbbbbbbbbbb")
    cluster.run(600)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "bbbbbbbbbbbbbbbb")


def test_a_weight_that_a_foreign_failed_status_pulled_is_pulled_without_a_target_too() -> None:
    cluster = exposed()
    cluster.state = State(phase=Phase.FAILED, traffic=Traffic(), revisions=Revisions(analysed="x", promoted="y"))
    cluster.is_target_gone = True
    cluster.settle()
    assert cluster.weights == (100, 0)


def test_each_highest_field_that_is_lost_is_named() -> None:
    written = {"phase": "Failed", "serin": {"a": 1}, "deep": {"kept": 1, "lost": {"x": 1}}, "cookie": ""}
    stored = {"phase": "Failed", "deep": {"kept": 1}, "other": 1}
    assert lost_fields(written, stored) == ["status.serin", "status.deep.lost"]


def promoting(*, rolls_without_gap: bool) -> SimulatedCluster:
    """Return a promotion of which Flagger's CRD keeps no more than Flagger's part; the primary has the template."""
    cluster = bootstrapped({"stepWeight": 50, "maxWeight": 100})
    cluster.rolls_without_gap = rolls_without_gap
    cluster.set_image(REVISION)
    cluster.run(200, until=lambda: cluster.primary_revision == REVISION)
    assert phase(cluster) is Phase.PROMOTING
    del cluster.status["serin"]
    cluster.state = read_state(cluster.status)
    return cluster


@pytest.mark.parametrize("rolls_without_gap", [True, False])
def test_what_took_the_place_of_a_lost_promotions_revision_gets_a_run_of_its_own(*, rolls_without_gap: bool) -> None:
    cluster = promoting(rolls_without_gap=rolls_without_gap)
    cluster.set_image("bbbbbbbbbbbbbbbb")
    run(cluster, 15)
    assert "the primary stays on aaaaaaaaaaaaaaaa" in "".join(cluster.texts())
    assert (cluster.primary_revision, cluster.state.revisions.analysed) == (REVISION, "bbbbbbbbbbbbbbbb")
    run(cluster, 200)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, "bbbbbbbbbbbbbbbb")


def test_a_lost_promotion_that_is_aborted_leaves_no_canary_side() -> None:
    cluster = promoting(rolls_without_gap=True)
    cluster.request = f"abort@{REVISION}"
    run(cluster, 120)
    assert (phase(cluster), cluster.weights, cluster.target_replicas) == (Phase.FAILED, (100, 0), 0)
