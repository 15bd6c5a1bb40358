"""A metric server that is away in mid-run costs no failed check; its first real samples decide."""

from canary.run.judge import Sample
from canary.run.phase import Phase
from tests.support.measured_cluster import RATE, Measured, checks, under_way

DOWN = Sample(error="https://api.datadoghq.com: HTTP 503")
OUTAGE_S = 300


def away_for_five_minutes(after: Sample) -> Measured:
    """Return a cluster in mid-run whose server was away, and then gives `after`."""
    cluster = under_way({"threshold": 3})
    cluster.run(20)
    weight = cluster.state.traffic.canary_percent
    cluster.values = {RATE: DOWN}
    cluster.run(OUTAGE_S)
    assert (cluster.state.phase, cluster.state.traffic.canary_percent) == (Phase.PROGRESSING, weight)
    assert cluster.state.analysis.failed_checks == 0
    kept = {check["name"]: check.get("reason") for check in checks(cluster)}
    assert kept[RATE] == f"metric query failed for {RATE}: {DOWN.error}"
    cluster.values = {RATE: after}
    return cluster


def test_a_good_release_is_promoted_after_the_outage_without_a_failed_check() -> None:
    cluster = away_for_five_minutes(Sample(99.9))
    cluster.run(600, until=lambda: cluster.state.phase in {Phase.SUCCEEDED, Phase.FAILED})
    assert cluster.state.phase is Phase.SUCCEEDED
    assert cluster.state.analysis.failed_checks == 0


def test_a_bad_release_is_rolled_back_by_the_first_real_samples() -> None:
    cluster = away_for_five_minutes(Sample(10.0))
    back_s = cluster.now_s
    cluster.run(600, until=lambda: cluster.state.phase is Phase.FAILED)
    assert cluster.state.phase is Phase.FAILED
    assert cluster.now_s - back_s <= 3 * 10 + 10, "three failed checks, ten seconds apart, and a tick to act"


def test_a_run_that_begins_before_its_load_has_no_failed_check_for_it() -> None:
    """Flagger's guide: `no values found` in the first intervals."""
    cluster = under_way()
    cluster.values = {RATE: Sample()}
    cluster.run(40)
    assert (cluster.state.phase, cluster.state.analysis.failed_checks) == (Phase.PROGRESSING, 0)
    cluster.values = {}
    cluster.run(600, until=lambda: cluster.state.phase is Phase.SUCCEEDED)
    assert (cluster.state.phase, cluster.state.analysis.failed_checks) == (Phase.SUCCEEDED, 0)
