"""Promotions of a primary that does not come up, while a newer revision waits: told, and a way out for each."""

from canary.run.phase import Phase
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, UNREADY
from tests.support.simulated_runs import bootstrapped, phase

REVISION = "aaaaaaaaaaaaaaaa"
OTHER = "bbbbbbbbbbbbbbbb"


def hang(cluster: SimulatedCluster) -> None:
    """Promote REVISION to a primary that does not come up any more, and set another image meanwhile."""
    cluster.set_image(REVISION)
    cluster.run(900, until=lambda: cluster.primary_revision == REVISION)
    cluster.primary_readiness = UNREADY
    cluster.run(20)
    cluster.set_image(OTHER)
    cluster.told.clear()


def test_a_promotion_that_hangs_is_told_though_a_newer_revision_waits_for_it(cluster: SimulatedCluster) -> None:
    hang(cluster)
    cluster.run(3600)
    assert (phase(cluster), cluster.weights) == (Phase.PROMOTING, (0, 100))
    alerts = [news.text for news in cluster.told if news.alert is not None and news.alert.severity == "error"]
    assert alerts == [f"Promotion of podinfo.test failed, primary not ready: {UNREADY.explanation}"]
    assert cluster.primary_revision == "rev-1", "nothing brings it back to what it could serve"
    cluster.primary_readiness = READY
    cluster.run(900)
    assert (phase(cluster), cluster.primary_revision) == (Phase.SUCCEEDED, OTHER)


def test_a_promotion_that_hangs_makes_room_for_a_newer_one_on_request(cluster: SimulatedCluster) -> None:
    hang(cluster)
    cluster.run(3600)
    cluster.request = f"promote@{OTHER}"
    cluster.settle()
    assert (cluster.primary_revision, cluster.weights) == (OTHER, (0, 100))
    cluster.primary_readiness = READY
    cluster.run(120)
    assert (phase(cluster), cluster.weights, cluster.state.revisions.promoted) == (Phase.SUCCEEDED, (100, 0), OTHER)


def test_skipped_analyses_leave_the_traffic_where_it_is_served() -> None:
    cluster = bootstrapped(skipAnalysis=True)
    cluster.rolls_without_gap = False
    hang(cluster)
    cluster.run(20, until=lambda: cluster.weights == (0, 100))
    moves = len(cluster.history)
    cluster.run(700)
    assert cluster.primary_revision == OTHER
    assert cluster.history[moves:] == [], "users were sent to a primary without a pod"
    cluster.primary_readiness = READY
    cluster.run(60)
    assert (phase(cluster), cluster.weights) == (Phase.SUCCEEDED, (100, 0))
