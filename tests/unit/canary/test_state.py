"""The stored intent: its fields on the wire, what a write and a read keep, and which phase may follow which."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canary.api.names import Identity
from canary.run.history import HistoryEntry, Outcome, Run
from canary.run.judge import Verdict
from canary.run.kept import KeptCheck, KeptSample
from canary.run.mark import Mark
from canary.run.messages import Alert, info, initialized, rolling_back, warning
from canary.run.phase import Phase
from canary.run.queue import Queued
from canary.run.request import RequestResult
from canary.run.state import (
    Analysis,
    Blocker,
    Control,
    HookAnswers,
    Promotion,
    Revisions,
    State,
    StepRecord,
    TargetIdentity,
    Timing,
    TransitionRecord,
)
from canary.run.status import UnknownPhase, read_state, write_status
from canary.run.traffic import Traffic
from canary.run.unsent import Unsent

FULL = State(
    phase=Phase.PROGRESSING,
    traffic=Traffic(15, 40, "side=abcdefghij", includes_unmatched=True),
    served_at_s=1_700_000_007.5,
    previous_cookie="side=ABCDEFGHIJ",
    strategy="blue-green",
    primary_floor=20,
    identity=Identity("podinfo", "DaemonSet", "shop"),
    target=TargetIdentity("uid-1", 7, "rev-2", {"configmap/conf": "c1", "secret/keys": "s1"}),
    revisions=Revisions(analysed="rev-2", promoted="rev-1", finished="rev-1", change=Mark("rev-2", "image", "alice")),
    analysis=Analysis(
        started_at_s=1_700_000_002.125,
        decisive_at_s=1_700_000_003.0,
        failed_checks=2,
        iterations=1,
        step=StepRecord(number=3, served_at_s=1_700_000_002.5, is_resumed=True, bake_started_at_s=1_700_000_004.25),
        checks_passed=True,
        growth_started_at_s=1_700_000_005.0,
        unobserved_s=12.5,
        failed_in_row=(("request-success-rate", 1), ("p99#2", 3)),
        is_given_up=True,
        kept=(
            KeptCheck(
                name="request-success-rate",
                least=99.0,
                unit="%",
                samples=(
                    KeptSample(1_700_000_000.0, 98.5, Verdict.FAIL),
                    KeptSample(1_700_000_003.0, None, Verdict.NO_DATA),
                ),
                reason="success rate 98.50% < 99%",
                failures_needed=2,
            ),
            KeptCheck(
                name="orders",
                most=5.5,
                samples=(KeptSample(1_700_000_003.0, None, Verdict.ERROR),),
                is_dry_run=True,
            ),
        ),
    ),
    promotion=Promotion(is_late=True, growth_started_at_s=1_700_000_007.0, checked_at_s=1_700_000_007.0),
    hooks=HookAnswers(
        answered=("pre-rollout/acceptance-test",), waiting_for=("confirm-promotion/gate",), post_rollout_pending=True
    ),
    is_unanalysed=True,
    queue=Queued(3, 12, 1_700_000_000.5),
    run=Run(1_700_000_001.25, "aborted by alice"),
    history=(
        HistoryEntry(
            revision="rev-1",
            outcome=Outcome.ROLLED_BACK,
            started_at_s=1_699_999_000.0,
            ended_at_s=1_699_999_060.0,
            change="podinfod image 6.0.0 -> 6.0.1",
            by="alice",
            reason="success rate 97.35% < 99%",
        ),
        HistoryEntry(
            revision="rev-0", outcome=Outcome.PROMOTED, started_at_s=1_699_990_000.0, ended_at_s=1_699_990_030.0
        ),
    ),
    control=Control(
        is_paused=True, skips_analysis=True, request=RequestResult("pause@rev-2x", "c1", 1_700_000_006.0, "no", "alice")
    ),
    timing=Timing(
        next_check_at_s=1_700_000_010.25,
        unready_at_s=1_700_000_001.5,
        shifted_at_s=1_700_000_004.0,
        primary_down_at_s=1_700_000_008.0,
    ),
    blocker=Blocker("ScalerNotFound", "Canary test/podinfo spec.autoscalerRef.name: found 'x'"),
    transition=TransitionRecord(
        sequence=12,
        at_s=1_700_000_000.0,
        stored_at_s=1_700_000_009.0,
        messages=(
            info("one"),
            warning("two"),
            rolling_back("podinfo.test", "reasons", "because"),
            initialized("x", "DaemonSet"),
        ),
        alerted_by="agent-1_ab12",
    ),
    unsent=(Unsent(Alert("info", "new", id="11.0", at_s=1_700_000_000.0)),),
)

WRITTEN: dict[str, Any] = {
    "phase": "Progressing",
    "canaryWeight": 15,
    "sessionAffinityCookie": "side=abcdefghij",
    "previousSessionAffinityCookie": "side=ABCDEFGHIJ",
    "failedChecks": 2,
    "iterations": 1,
    "lastAppliedSpec": "rev-2",
    "lastPromotedSpec": "rev-1",
    "lastTransitionTime": "2023-11-14T22:13:20Z",
    "observedGeneration": 3,
    "trackedConfigs": {"configmap/conf": "c1", "secret/keys": "s1"},
    "conditions": [
        {
            "type": "Promoted",
            "status": "Unknown",
            "reason": "Progressing",
            "message": "New revision detected, progressing canary analysis.",
            "lastUpdateTime": "2023-11-14T22:13:20Z",
            "lastTransitionTime": "2023-11-14T22:13:20Z",
        },
        {
            "type": "Ready",
            "status": "False",
            "reason": "ScalerNotFound",
            "message": "Canary test/podinfo spec.autoscalerRef.name: found 'x'",
            "lastUpdateTime": "2023-11-14T22:13:20Z",
            "lastTransitionTime": "2023-11-14T22:13:20Z",
        },
    ],
    "serin": {
        "notBefore": "2023-11-14T22:13:30.250Z",
        "forEveryone": True,
        "mirrorPercent": 40,
        "sequence": 12,
        "finishedRevision": "rev-1",
        "change": {"revision": "rev-2", "what": "image", "by": "alice"},
        "answeredHooks": ["pre-rollout/acceptance-test"],
        "waitingFor": ["confirm-promotion/gate"],
        "cleared": True,
        "step": 3,
        "stepServedAt": "2023-11-14T22:13:22.500Z",
        "stepResumed": True,
        "bakeStartedAt": "2023-11-14T22:13:24.250Z",
        "strategy": "blue-green",
        "names": {"target": "podinfo", "kind": "DaemonSet", "service": "shop"},
        "endUntold": True,
        "analysisSkipped": True,
        "promotionLate": True,
        "primaryFloor": 20,
        "primaryGrownAt": "2023-11-14T22:13:27.000Z",
        "paused": True,
        "unanalysed": True,
        "queue": {"position": 3, "of": 12, "since": "2023-11-14T22:13:20.500Z"},
        "run": {"startedAt": "2023-11-14T22:13:21.250Z", "reason": "aborted by alice"},
        "history": [
            {
                "revision": "rev-1",
                "outcome": "rolledBack",
                "startedAt": "2023-11-14T21:56:40Z",
                "endedAt": "2023-11-14T21:57:40Z",
                "change": "podinfod image 6.0.0 -> 6.0.1",
                "by": "alice",
                "reason": "success rate 97.35% < 99%",
            },
            {
                "revision": "rev-0",
                "outcome": "promoted",
                "startedAt": "2023-11-14T19:26:40Z",
                "endedAt": "2023-11-14T19:27:10Z",
            },
        ],
        "request": {
            "verb": "pause",
            "revision": "rev-2x",
            "result": "refused",
            "at": "2023-11-14T22:13:26Z",
            "claim": "c1",
            "why": "no",
            "by": "alice",
        },
        "news": [
            {"type": "Normal", "text": "one"},
            {"type": "Warning", "text": "two"},
            {
                "type": "Warning",
                "text": "Rolling back podinfo.test reasons",
                "alert": {"severity": "error", "text": "Reasons", "reason": "because"},
            },
            {
                "type": "Normal",
                "text": "Initialization done! x",
                "alert": {
                    "severity": "info",
                    "text": "New DaemonSet detected, initialization completed.",
                    "hasSettings": True,
                },
            },
        ],
        "alertedBy": "agent-1_ab12",
        "unsentAlerts": [{"id": "11.0", "at": "2023-11-14T22:13:20Z", "severity": "info", "text": "new", "to": [""]}],
        "servedAt": "2023-11-14T22:13:27.500Z",
        "seen": {"uid": "uid-1", "generation": 7, "revision": "rev-2"},
        "unreadySince": "2023-11-14T22:13:21.500Z",
        "firstWeightAt": "2023-11-14T22:13:22.125Z",
        "lastDecisiveAt": "2023-11-14T22:13:23.000Z",
        "shiftedAt": "2023-11-14T22:13:24.000Z",
        "grownAt": "2023-11-14T22:13:25.000Z",
        "unobservedSeconds": 12.5,
        "failedInRow": {"request-success-rate": 1, "p99#2": 3},
        "givenUp": True,
        "checks": [
            {
                "name": "request-success-rate",
                "min": 99.0,
                "unit": "%",
                "reason": "success rate 98.50% < 99%",
                "consecutiveFailures": 2,
                "samples": [
                    {"at": "2023-11-14T22:13:20Z", "value": 98.5, "verdict": "fail"},
                    {"at": "2023-11-14T22:13:23Z", "value": None, "verdict": "noData"},
                ],
            },
            {
                "name": "orders",
                "max": 5.5,
                "dryRun": True,
                "samples": [{"at": "2023-11-14T22:13:23Z", "value": None, "verdict": "error"}],
            },
        ],
        "promotionCheckedAt": "2023-11-14T22:13:27.000Z",
        "primaryDownSince": "2023-11-14T22:13:28.000Z",
        "storedAt": "2023-11-14T22:13:29.000Z",
    },
}


def write(state: State, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return write_status(state, before, target_kind="Deployment", generation=3)


def test_every_field_has_its_key_in_the_status() -> None:
    assert write(FULL) == WRITTEN


def test_every_key_of_the_status_is_read() -> None:
    assert read_state(WRITTEN) == FULL


def test_a_canary_that_was_never_touched_has_an_empty_state() -> None:
    assert read_state(None) == read_state({}) == State()


def test_cleared_times_leave_the_status() -> None:
    cleared = replace(FULL, timing=Timing(next_check_at_s=FULL.timing.next_check_at_s))
    written = write(cleared, write(FULL))
    assert {"shiftedAt", "unreadySince"}.isdisjoint(written["serin"])
    assert read_state(written).timing.shifted_at_s is None


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "2023-11-14T22:13:20Z", "9999-12-31T23:59:59Z"])
def test_a_moment_of_whatever_year_is_written_as_it_was_read(moment: str) -> None:
    before = {"phase": "Succeeded", "lastTransitionTime": moment}
    assert write(read_state(before), before)["lastTransitionTime"] == moment


def test_a_moment_that_was_moved_beyond_the_last_one_is_written_as_the_last() -> None:
    late = replace(FULL, timing=replace(FULL.timing, unready_at_s=253_402_300_799.0 + 86_400))
    assert write(late)["serin"]["unreadySince"] == "9999-12-31T23:59:59.000Z"


def test_fields_that_we_do_not_know_are_kept() -> None:
    before = {"others": {"a": "1"}, "serin": {"future": 1}, "conditions": [{"type": "Theirs"}]}
    written = write(FULL, dict(before))
    assert written["others"] == {"a": "1"}
    assert written["serin"]["future"] == 1
    assert {"type": "Theirs"} in written["conditions"]


def test_what_is_not_ready_is_told_from_what_blocks() -> None:
    why = Blocker("RouteNotServed", "the gateway refuses it")
    written = write(replace(FULL, blocker=None, not_ready=why))
    assert written["serin"]["notReady"] is True
    assert conditions(written)["Ready"]["reason"] == "RouteNotServed"
    assert (read_state(written).blocker, read_state(written).not_ready) == (None, why)
    cleared = write(replace(FULL, blocker=None), written)
    assert "notReady" not in cleared["serin"]
    assert conditions(cleared)["Ready"]["status"] == "True"
    assert read_state(cleared).not_ready is None


def conditions(status: dict[str, Any]) -> dict[str, dict[str, str]]:
    listed = status["conditions"]
    assert isinstance(listed, list)
    return {condition["type"]: condition for condition in listed}


def test_a_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    first = write(FULL)
    later = FULL.transition_to(replace(FULL, phase=Phase.PROMOTING), FULL.transition.at_s + 100)
    promoted = conditions(write(later, first))["Promoted"]
    assert promoted["reason"] == "Promoting"
    assert promoted["lastTransitionTime"] == "2023-11-14T22:13:20Z"
    assert promoted["lastUpdateTime"] == "2023-11-14T22:15:00Z"


# Flagger's, of `pkg/canary/status.go`; Terminating and Terminated set none there.
CONDITIONS = {
    Phase.INITIALIZING: ("Unknown", "New Deployment detected, starting initialization."),
    Phase.INITIALIZED: ("True", "Deployment initialization completed."),
    Phase.WAITING: ("Unknown", "Waiting for approval."),
    Phase.WAITING_PROMOTION: ("Unknown", "Waiting for approval."),
    Phase.PROGRESSING: ("Unknown", "New revision detected, progressing canary analysis."),
    Phase.PROMOTING: ("Unknown", "Canary analysis completed, starting primary rolling update."),
    Phase.FINALISING: ("Unknown", "Canary analysis completed, routing all traffic to primary."),
    Phase.SUCCEEDED: ("True", "Canary analysis completed successfully, promotion finished."),
    Phase.FAILED: ("False", "Canary analysis failed, Deployment scaled to zero."),
    Phase.TERMINATING: ("Unknown", "Canary is being deleted."),
    Phase.TERMINATED: ("Unknown", "Canary was deleted."),
}


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_has_flaggers_condition(phase: Phase) -> None:
    promoted = conditions(write(State(phase=phase)))["Promoted"]
    assert (promoted["status"], promoted["message"]) == CONDITIONS[phase]
    assert promoted["reason"] == str(phase)


def test_an_unknown_phase_is_named() -> None:
    with pytest.raises(UnknownPhase, match=r"status\.phase: found 'Dreaming'; allowed: Initializing, "):
        read_state({"phase": "Dreaming"})


def test_a_transition_has_its_own_number_time_and_messages() -> None:
    after = FULL.transition_to(replace(FULL, traffic=Traffic(20)), 1_700_000_100.0, info("next"))
    assert (after.transition.sequence, after.transition.at_s, after.traffic.canary_percent) == (13, 1_700_000_100.0, 20)
    assert after.transition.messages == (info("next"),)
    assert after.transition.alerted_by == "", "the alerts of the transition before were another's"


def test_an_update_keeps_the_time_of_the_transition_before() -> None:
    updated = FULL.update_to(replace(FULL, blocker=None), 1_700_000_100.0)
    assert (updated.transition.sequence, updated.transition.at_s) == (13, 1_700_000_000.0)
    assert State().update_to(State(), 7.0).transition.at_s == 7.0, "the first one has none before it"


WRONG = """
from dataclasses import replace
from canary.run.state import Analysis, State
from canary.run.traffic import Traffic

state = State(traffic=Traffic(5))
replace(state, canary_weight=5)
replace(state, traffic=5)
replace(state.analysis, failed_checks="a")
State(phases=None)
state.traffic.canary_percent = 6
"""


def test_mypy_refuses_a_field_that_does_not_exist_and_a_value_of_another_type(tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(WRONG)
    repository = Path(__file__).parents[3]
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), str(program)]
    answer = subprocess.run(mypy, cwd=repository, capture_output=True, text=True, check=False)
    refused = [line.partition(": error: ")[2] for line in answer.stdout.splitlines() if "wrong.py" in line]
    assert [text.partition("  [")[2].rstrip("]") for text in refused if text] == [
        "call-arg",
        "arg-type",
        "arg-type",
        "call-arg",
        "misc",
    ]
