"""What `status.serin.history` says of the last runs: what each was, who began it, how it ended, and why."""

from typing import Any

import orjson
import pytest

from canary.run.history import HistoryEntry, Outcome, Run, read_history, read_run, write_history
from canary.run.judge import Verdict
from canary.run.kept import read_checks
from canary.run.managed import ManagedObject
from canary.run.mark import Mark
from canary.run.observation import Target
from canary.run.phase import Phase
from canary.run.state import TargetIdentity
from canary.run.status import read_state
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import READY, UNREADY, always
from tests.support.simulated_runs import bootstrapped, hook, phase

NEXT = "bbbbbbbbbbbbbbbb"
PROMOTED, ROLLED_BACK, SUPERSEDED = "promoted", "rolledBack", "superseded"


def history(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.status["serin"]["history"]
    return found


def ends(cluster: SimulatedCluster) -> list[tuple[str, str, str]]:
    """Return revision, outcome and reason of what has ended since the bootstrap, newest first."""
    *since, bootstrap = history(cluster)
    assert (bootstrap["outcome"], bootstrap["reason"]) == (PROMOTED, "bootstrap")
    return [(entry["revision"], entry["outcome"], entry.get("reason", "")) for entry in since]


def roll_out(cluster: SimulatedCluster, revision: str = NEXT, seconds: float = 900) -> None:
    cluster.set_image(revision)
    cluster.run(seconds, until=lambda: cluster.state.revisions.finished == revision)


def test_the_bootstrap_is_the_first_entry() -> None:
    cluster = SimulatedCluster(canary(), now_s=1_796_050_800.0)
    cluster.run(30)
    assert history(cluster) == [
        {
            "revision": "rev-1",
            "outcome": "promoted",
            "startedAt": "2026-11-30T15:00:00Z",
            "endedAt": "2026-11-30T15:00:04Z",
            "reason": "bootstrap",
        }
    ]
    assert "run" not in cluster.status["serin"]


def test_a_promotion_has_its_change_its_user_and_its_times_and_needs_no_reason() -> None:
    cluster = bootstrapped()
    cluster.mark = Mark(NEXT, "podinfod image 6.0.0 -> 6.0.1", "alice")
    began_s = cluster.now_s
    roll_out(cluster)
    entry = read_history(history(cluster))[0]
    assert (entry.revision, entry.outcome, entry.change, entry.by, entry.reason) == (
        NEXT,
        Outcome.PROMOTED,
        "podinfod image 6.0.0 -> 6.0.1",
        "alice",
        "",
    )
    assert entry.started_at_s == int(began_s)
    assert entry.ended_at_s == int(cluster.state.transition.at_s)
    assert set(history(cluster)[0]) == {"revision", "outcome", "startedAt", "endedAt", "change", "by"}


def test_a_rollback_has_what_the_deciding_check_said() -> None:
    cluster = bootstrapped({"webhooks": []})
    cluster.verdicts = always(Verdict.FAIL)
    roll_out(cluster)
    assert ends(cluster) == [(NEXT, ROLLED_BACK, "a fail of the tape")]


def test_a_rollback_for_want_of_samples_says_so_and_what_was_said_instead() -> None:
    cluster = bootstrapped({"webhooks": [], "unobservedDeadlineSeconds": 30})
    cluster.verdicts = always(Verdict.NO_DATA)
    roll_out(cluster)
    assert ends(cluster) == [(NEXT, ROLLED_BACK, "no decisive sample for 30 s: a no-data of the tape")]


def test_a_side_that_does_not_come_up_has_exceeded_its_deadline() -> None:
    cluster = bootstrapped()
    cluster.target_readiness = UNREADY
    roll_out(cluster)
    assert ends(cluster) == [(NEXT, ROLLED_BACK, f"progress deadline exceeded {UNREADY.explanation}")]


@pytest.mark.parametrize(
    ("verb", "by", "expected"),
    [
        ("abort", "alice", (NEXT, ROLLED_BACK, "aborted by alice")),
        ("abort", "", (NEXT, ROLLED_BACK, "aborted by request")),
        ("skip", "alice", (NEXT, ROLLED_BACK, "skipped by alice")),
        ("promote", "alice", (NEXT, PROMOTED, "promoted by alice's request")),
        ("promote", "", (NEXT, PROMOTED, "promoted by request")),
    ],
)
@pytest.mark.parametrize("rolls_without_gap", [True, False])
def test_whoever_ended_the_run_is_named(
    verb: str, by: str, expected: tuple[str, str, str], *, rolls_without_gap: bool
) -> None:
    cluster = bootstrapped()
    cluster.rolls_without_gap = rolls_without_gap
    roll_out(cluster, seconds=40)
    cluster.request, cluster.requested_by = f"{verb}@{NEXT}", by
    cluster.run(300)
    assert ends(cluster) == [expected]


def test_a_rollback_that_has_to_wait_for_the_primary_ends_with_the_reason_that_it_began_with() -> None:
    cluster = bootstrapped()
    roll_out(cluster, seconds=40)
    cluster.primary_readiness, cluster.request, cluster.requested_by = UNREADY, f"abort@{NEXT}", "alice"
    cluster.run(60)
    assert ends(cluster) == []
    assert cluster.status["serin"]["run"]["reason"] == "aborted by alice"
    cluster.primary_readiness = READY
    cluster.run(60)
    assert ends(cluster) == [(NEXT, ROLLED_BACK, "aborted by alice")]


def test_a_rollback_gate_is_named() -> None:
    cluster = bootstrapped({"webhooks": [hook("rollback", "pager")]})
    roll_out(cluster, seconds=40)
    cluster.gates = {"pager": Verdict.PASS}
    cluster.run(60)
    assert ends(cluster) == [(NEXT, ROLLED_BACK, "Rollback check pager passed")]


def test_a_skipped_analysis_is_a_promotion_that_says_so() -> None:
    cluster = bootstrapped(skipAnalysis=True)
    roll_out(cluster)
    assert ends(cluster) == [(NEXT, PROMOTED, "analysis skipped")]


def test_a_newer_revision_supersedes_the_run_and_gets_one_of_its_own() -> None:
    cluster = bootstrapped()
    roll_out(cluster, "rev-2", seconds=40)
    roll_out(cluster, "rev-3")
    assert ends(cluster) == [
        ("rev-3", PROMOTED, ""),
        ("rev-2", SUPERSEDED, "revision rev-3 took its place"),
    ]
    assert history(cluster)[0]["startedAt"] == history(cluster)[1]["endedAt"]


def test_a_target_that_is_set_back_supersedes_the_run_and_makes_none() -> None:
    cluster = bootstrapped()
    roll_out(cluster, "rev-2", seconds=40)
    cluster.set_image("rev-1")
    cluster.run(120)
    assert phase(cluster) is Phase.SUCCEEDED
    assert ends(cluster) == [("rev-2", SUPERSEDED, "set back to rev-1, which is promoted")]


def test_a_promotion_that_hangs_is_superseded_by_the_one_that_is_asked_for() -> None:
    cluster = bootstrapped()
    cluster.set_image("aaaaaaaaaaaaaaaa")
    cluster.run(900, until=lambda: cluster.primary_revision == "aaaaaaaaaaaaaaaa")
    cluster.primary_readiness = UNREADY
    cluster.run(700)
    cluster.set_image(NEXT)
    cluster.request, cluster.requested_by = f"promote@{NEXT}", "alice"
    cluster.settle()
    cluster.primary_readiness = READY
    cluster.run(120)
    assert ends(cluster) == [
        (NEXT, PROMOTED, "promoted by alice's request"),
        ("aaaaaaaaaaaaaaaa", SUPERSEDED, f"revision {NEXT} took its place"),
    ]


def test_a_retry_is_a_run_of_its_own() -> None:
    cluster = bootstrapped({"webhooks": [], "threshold": 1})
    cluster.verdicts = always(Verdict.FAIL)
    roll_out(cluster)
    cluster.verdicts, cluster.request = always(Verdict.PASS), f"retry@{NEXT}"
    cluster.run(300)
    assert ends(cluster) == [(NEXT, PROMOTED, ""), (NEXT, ROLLED_BACK, "a fail of the tape")]


def test_the_last_ten_are_kept() -> None:
    cluster = bootstrapped(skipAnalysis=True)
    for number in range(2, 14):
        roll_out(cluster, f"rev-{number}")
    assert [entry["revision"] for entry in history(cluster)] == [f"rev-{number}" for number in range(13, 3, -1)]


@pytest.mark.parametrize("word", [Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED, Phase.PROGRESSING, Phase.PROMOTING])
def test_of_what_flagger_did_there_is_no_entry(word: Phase) -> None:
    cluster = SimulatedCluster(canary(), revision=NEXT, primary_revision="", weights=(100, 0), parts=set(ManagedObject))
    cluster.status = {"phase": str(word), "canaryWeight": 0, "lastAppliedSpec": "5978589476", "lastPromotedSpec": "1"}
    cluster.state = read_state(cluster.status)
    cluster.primary_runs_target = word is not Phase.PROGRESSING
    cluster.run(300)
    assert phase(cluster) in {Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED}
    assert "history" not in cluster.status["serin"]
    cluster.primary_runs_target = False
    roll_out(cluster, "rev-9")
    assert [entry["revision"] for entry in history(cluster)] == ["rev-9"]


def test_a_run_that_an_older_version_began_counts_from_its_first_weight() -> None:
    cluster = bootstrapped()
    roll_out(cluster, seconds=40)
    started_at_s = cluster.state.analysis.started_at_s
    del cluster.status["serin"]["run"]
    cluster.state = read_state(cluster.status)
    roll_out(cluster)
    entry = read_history(history(cluster))[0]
    assert started_at_s is not None
    assert (entry.revision, entry.outcome, entry.started_at_s) == (NEXT, Outcome.PROMOTED, int(started_at_s))


def test_the_history_follows_a_revision_that_the_api_server_reads_otherwise() -> None:
    cluster = bootstrapped()
    roll_out(cluster)
    renamed = TargetIdentity("uid-1", cluster.generation, "cccccccccccccccc")
    cluster.stale = {"target": Target(renamed, 0, UNREADY)}
    cluster.tick()
    assert [entry["revision"] for entry in history(cluster)] == ["cccccccccccccccc", "rev-1"]


def test_entries_beside_what_is_none_are_read() -> None:
    cluster = bootstrapped()
    roll_out(cluster)
    before = history(cluster)
    entry = {"revision": "x", "outcome": "promoted", "startedAt": "2026-11-30T15:00:00Z"}
    assert read_history([*before, entry, None, 7, entry | {"endedAt": "never"}]) == read_history(before)


@pytest.mark.parametrize(
    "found",
    [
        None,
        "text",
        7,
        {"revision": "x"},
        [None, [], {}, {"revision": 7, "outcome": "promoted"}],
        [{"revision": "x", "outcome": ["promoted"], "startedAt": "2026-11-30T15:00:00Z"}],
        [{"revision": "x", "outcome": "promoted", "startedAt": "2026-11-30T15:00:00Z"}],
        [{"revision": "x", "outcome": "promoted", "startedAt": "0001-01-01T00:00:00Z", "endedAt": "never"}],
    ],
)
def test_what_is_no_entry_is_left_out(found: object) -> None:
    assert read_state({"serin": {"history": found, "run": found}}).history == ()
    assert read_run(found).started_at_s is None


@pytest.mark.parametrize(("letter", "most", "by"), [("x", 253, 125), ("\N{ROCKET}", 63, 31)])
def test_ten_entries_of_long_texts_stay_small(letter: str, most: int, by: int) -> None:
    long = letter * 5000
    cluster = bootstrapped(skipAnalysis=True)
    for number in range(2, 14):
        cluster.mark = Mark(f"rev-{number}", long, long)
        roll_out(cluster, f"rev-{number}")
    entries = read_history(history(cluster))
    assert len(orjson.dumps(write_history(entries))) < 8192
    assert entries[0] == HistoryEntry(
        revision="rev-13",
        outcome=Outcome.PROMOTED,
        started_at_s=entries[0].started_at_s,
        ended_at_s=entries[0].ended_at_s,
        change=letter * most + "…",
        by=letter * by + "…",
        reason="analysis skipped",
    )


LAST = "9999-12-31T23:59:59-23:00"


def test_a_moment_that_can_not_be_written_is_none() -> None:
    entry = {"revision": NEXT, "outcome": "promoted", "startedAt": LAST, "endedAt": LAST}
    assert (read_run({"startedAt": LAST}), read_history([entry])) == (Run(), ())
    sample = {"at": LAST, "value": 1, "verdict": "pass"}
    assert read_checks([{"name": "latency", "samples": [sample]}])[0].samples == ()
    with pytest.raises(ValueError, match="found 9999-12-31T23:59:59-23:00; allowed: moments from year 1"):
        read_state({"lastTransitionTime": LAST})
