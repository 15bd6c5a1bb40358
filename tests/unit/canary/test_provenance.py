"""What a revision changed and who applied it: in the event, the status and the alerts of its run, and of no other."""

import pytest

from canary.run.judge import Verdict
from canary.run.mark import Mark
from canary.run.phase import Phase
from canary.run.state import State
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import always

A, B, ONE, TWO = ("a" * 16, "b" * 16, "1" * 8, "2" * 8)


def apply(cluster: SimulatedCluster, revision: str, mark: Mark | None) -> None:
    """Change the target as a user does, with the mark that the webhook leaves; None where it was down."""
    cluster.set_image(revision)
    cluster.mark = mark
    cluster.settle()


def image(revision: str, by: str = "alice") -> Mark:
    return Mark(revision, f"podinfod image -> {revision}", by)


def test_event_status_and_alerts_of_a_run_say_what_changed_and_who_did(cluster: SimulatedCluster) -> None:
    cluster.verdicts = always(Verdict.FAIL)
    cluster.set_image("rev2")
    cluster.mark = image("rev2")
    cluster.tick()
    assert [(alert.severity, alert.change) for alert in cluster.state.alerts] == [("info", image("rev2"))]
    cluster.settle()
    started = "New revision detected! Scaling up podinfo.test: podinfod image -> rev2, applied by alice"
    assert cluster.texts() == [started]
    assert cluster.status["serin"]["change"] == {"revision": "rev2", "what": "podinfod image -> rev2", "by": "alice"}
    cluster.run(200, until=lambda: cluster.state.phase is Phase.FAILED)
    [told] = cluster.state.alerts
    assert (told.severity, told.change, told.revision) == ("error", image("rev2"), cluster.state.revisions.analysed)
    assert (told.id, told.at_s) == (f"{cluster.state.transition.sequence}.1", cluster.state.transition.at_s)


def test_a_restart_says_who_restarted_it(cluster: SimulatedCluster) -> None:
    apply(cluster, "rev2", image("rev2"))
    apply(cluster, "rev3", image("rev3", by="bob"))
    restarted = "New revision detected! Restarting analysis for podinfo.test: podinfod image -> rev3, applied by bob"
    assert restarted in cluster.texts()
    assert cluster.state.revisions.change == image("rev3", by="bob")


def test_a_run_without_a_mark_takes_nothing_over_from_the_one_before(cluster: SimulatedCluster) -> None:
    apply(cluster, "rev2", image("rev2"))
    apply(cluster, "rev3", None)
    assert cluster.texts()[-1] == "New revision detected! Restarting analysis for podinfo.test"
    assert "change" not in cluster.status["serin"]


def test_a_mark_that_says_nothing_adds_nothing_to_the_text(cluster: SimulatedCluster) -> None:
    apply(cluster, "rev2", Mark("rev2"))
    assert cluster.texts() == ["New revision detected! Scaling up podinfo.test"]


@pytest.mark.parametrize(
    ("before", "after", "is_about_it"),
    [(A, B, True), (A, f"{B}-{TWO}", True), (f"{B}-{ONE}", f"{B}-{TWO}", False), (B, f"{B}-{TWO}", False)],
)
def test_another_configuration_of_the_same_template_is_not_the_marks_doing(
    cluster: SimulatedCluster, before: str, after: str, *, is_about_it: bool
) -> None:
    apply(cluster, before, None)
    cluster.run(900)
    apply(cluster, after, Mark(B, "podinfod env LEVEL", "alice"))
    assert cluster.state.revisions.analysed == after
    assert cluster.state.revisions.change == (Mark(after, "podinfod env LEVEL", "alice") if is_about_it else None)


def test_alerts_of_a_move_without_a_change_have_none() -> None:
    assert State().alerts == ()
