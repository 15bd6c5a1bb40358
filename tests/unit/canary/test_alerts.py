"""Which moves of a run chats are told of, and in which words; each alert went through the stored status once."""

from typing import Any

import pytest

from canary.api.hooks import CanaryAlert
from canary.run.judge import Verdict
from canary.run.messages import Alert
from canary.run.phase import Phase
from canary.run.state import Blocker
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, UNREADY, always

REVISION = "aaaaaaaaaaaaaaaa"

STARTED = Alert("info", "New revision detected, progressing canary analysis.", has_settings=True)
PROMOTED = Alert("info", "Canary analysis completed successfully, promotion finished.")
SKIPPED = Alert("info", "Canary analysis was skipped, promotion finished.")


def bootstrapped(**spec: Any) -> SimulatedCluster:
    cluster = SimulatedCluster(canary(**spec))
    cluster.run(30)
    cluster.told.clear()
    return cluster


def alerts(cluster: SimulatedCluster) -> list[Alert]:
    return [news.alert for news in cluster.told if news.alert is not None]


def test_a_bootstrap_is_told_at_its_end() -> None:
    cluster = SimulatedCluster(canary())
    cluster.run(30)
    assert alerts(cluster) == [Alert("info", "New Deployment detected, initialization completed.", has_settings=True)]


def test_a_promotion_is_told_at_its_start_and_at_its_end() -> None:
    cluster = bootstrapped()
    cluster.set_image("rev-2")
    cluster.run(300)
    assert cluster.state.phase is Phase.SUCCEEDED
    assert alerts(cluster) == [STARTED, PROMOTED]


def test_a_rollback_is_told_with_what_the_deciding_checks_said() -> None:
    cluster = bootstrapped()
    cluster.verdicts = always(Verdict.FAIL)
    cluster.set_image("rev-2")
    cluster.run(300)
    assert cluster.state.phase is Phase.FAILED
    assert alerts(cluster) == [STARTED, Alert("error", "Failed checks threshold reached 5", "a fail of the tape")]


def test_a_canary_side_that_never_comes_up_is_told_with_its_own_explanation() -> None:
    cluster = bootstrapped(progressDeadlineSeconds=60)
    cluster.target_readiness = UNREADY
    cluster.set_image("rev-2")
    cluster.run(120)
    text = f"Progress deadline exceeded {UNREADY.explanation}"
    assert alerts(cluster) == [STARTED, Alert("error", text)]


def test_a_canary_that_can_not_be_observed_is_told_with_what_was_missing() -> None:
    cluster = bootstrapped()
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.verdicts = always(Verdict.NO_DATA)
    cluster.run(900)
    assert alerts(cluster)[-1] == Alert("error", "No decisive sample for 600 s", "a no-data of the tape")


@pytest.mark.parametrize("rolls_without_gap", [True, False])
def test_a_primary_that_does_not_come_up_is_told_once_a_promotion_and_so_is_its_recovery(
    *, rolls_without_gap: bool
) -> None:
    late = Alert("error", f"Promotion failed, primary not ready: {UNREADY.explanation}")
    cluster = bootstrapped(progressDeadlineSeconds=60)
    cluster.rolls_without_gap = rolls_without_gap
    for revision in ("rev-2", "rev-3"):
        cluster.told.clear()
        cluster.set_image(revision)
        cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
        cluster.run(30, until=lambda: bool(cluster.promoted) and cluster.promoted[-1] == cluster.revision)
        cluster.primary_readiness = UNREADY
        cluster.run(50)
        assert alerts(cluster) == [STARTED]
        cluster.run(900)
        assert alerts(cluster) == [STARTED, late]
        failed = [news for news in cluster.told if news.text.startswith("Promotion of podinfo.test failed")]
        assert [news.is_warning for news in failed] == [True]
        assert cluster.status["serin"]["promotionLate"] is True
        cluster.primary_readiness = READY
        cluster.run(300)
        assert alerts(cluster) == [STARTED, late, PROMOTED]
        assert "promotionLate" not in cluster.status["serin"]


def test_a_promotion_that_comes_up_in_time_raises_no_alert() -> None:
    cluster = bootstrapped(progressDeadlineSeconds=60)
    cluster.rolls_without_gap, cluster.is_drained = False, False
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.run(50)
    cluster.is_drained = True
    cluster.run(10, until=lambda: cluster.is_in_gap)
    cluster.primary_readiness = UNREADY
    cluster.run(50)
    assert alerts(cluster) == [STARTED], "its time to come up begins with its rollout"
    cluster.primary_readiness = READY
    cluster.run(300)
    assert alerts(cluster) == [STARTED, PROMOTED]


def exposed() -> SimulatedCluster:
    """Return a cluster in mid-run, with nothing told so far."""
    cluster = bootstrapped()
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.settle()
    cluster.told.clear()
    return cluster


def test_a_run_that_a_newer_revision_replaces_is_told() -> None:
    cluster = exposed()
    cluster.set_image("rev-3")
    cluster.run(10)
    assert alerts(cluster) == [Alert("info", "New revision detected, restarting canary analysis.", has_settings=True)]


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("pause", Alert("warn", "Canary is paused at weight 20, by request of alice.")),
        ("promote", Alert("info", "Canary is promoted without the rest of its analysis, by request of alice.")),
        ("abort", Alert("error", "Aborted by request of alice")),
        ("skip", Alert("error", f"Revision {REVISION} is skipped by request of alice")),
    ],
)
def test_what_somebody_did_by_hand_is_told_with_who_it_was(verb: str, told: Alert) -> None:
    cluster = exposed()
    cluster.request, cluster.requested_by = f"{verb}@{REVISION}", "alice"
    cluster.settle()
    assert alerts(cluster) == [told]
    if verb == "pause":
        cluster.request = f"resume@{REVISION}"
        cluster.settle()
        assert alerts(cluster)[1:] == [Alert("info", "Canary is resumed, by request of alice.")]


def test_a_target_that_is_gone_in_mid_run_is_told() -> None:
    cluster = exposed()
    cluster.is_target_gone, cluster.blockers = True, (Blocker("TargetNotFound", "no such target"),)
    cluster.settle()
    assert alerts(cluster) == [Alert("error", "podinfo.test is gone. Routing all traffic to primary")]


def test_a_primary_that_goes_down_between_runs_is_told_and_so_is_its_recovery() -> None:
    cluster = bootstrapped(progressDeadlineSeconds=60)
    cluster.primary_readiness = UNREADY
    cluster.run(200)
    [down] = alerts(cluster)
    assert (down.severity, down.text) == ("warn", "Canary is not ready.")
    assert down.reason.startswith(f"podinfo-primary.test not ready: {UNREADY.explanation}")
    cluster.primary_readiness = READY
    cluster.run(30)
    assert alerts(cluster) == [down, Alert("info", "Canary is ready again.")]


def test_checks_that_say_nothing_for_a_minute_are_told_before_the_rollback() -> None:
    cluster = exposed()
    cluster.verdicts = always(Verdict.NO_DATA)
    cluster.run(200)
    [undecided] = alerts(cluster)
    assert (undecided.severity, undecided.text) == ("warn", "Canary is not ready.")
    assert undecided.reason.startswith("podinfo.test no check has passed or failed for more than a minute")
    cluster.run(900)
    assert [alert.text for alert in alerts(cluster)] == ["Canary is not ready.", "No decisive sample for 600 s"]


def test_a_skipped_analysis_is_told_as_such() -> None:
    cluster = bootstrapped(skipAnalysis=True)
    cluster.set_image("rev-2")
    cluster.run(120)
    assert alerts(cluster) == [STARTED, SKIPPED]


def test_a_target_set_back_in_mid_run_is_not_told_as_analysed() -> None:
    cluster = bootstrapped()
    cluster.set_image("rev-2")
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.set_image("rev-1")
    cluster.run(120)
    assert cluster.state.phase is Phase.SUCCEEDED
    assert alerts(cluster) == [STARTED, SKIPPED]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("", ["info", "warn", "error"]),
        ("info", ["info", "warn", "error"]),
        ("warn", ["warn", "error"]),
        ("error", ["error"]),
    ],
)
def test_a_severity_is_the_least_that_is_told(wanted: str, told: list[str]) -> None:
    alert = CanaryAlert.model_validate({"name": "x", "severity": wanted, "providerRef": {"name": "slack"}})
    assert [severity for severity in ("info", "warn", "error") if alert.is_for(severity)] == told
