"""The stored intent survives a write and a read, and leaves alone what is not ours."""

from dataclasses import replace
from typing import Any

import pytest

from canary.run.messages import info, initialized, rolling_back, warning
from canary.run.phase import Phase
from canary.run.state import Blocker, State, TargetIdentity, UnknownPhase, read_state, write_status

FULL = State(
    phase=Phase.PROGRESSING,
    canary_weight=15,
    failed_checks=2,
    iterations=1,
    analysed="rev-2",
    promoted="rev-1",
    finished="rev-1",
    seen=TargetIdentity("uid-1", 7, "rev-2", {"configmap/conf": "c1", "secret/keys": "s1"}),
    last_transition_s=1_700_000_000.0,
    not_before_s=1_700_000_010.25,
    unready_since_s=1_700_000_001.5,
    first_weight_s=1_700_000_002.125,
    decisive_s=1_700_000_003.0,
    shifted_s=1_700_000_004.0,
    mirror_percent=40,
    cookie="side=abcdefghij",
    previous_cookie="side=ABCDEFGHIJ",
    answered=("pre-rollout/acceptance-test",),
    waiting_for=("confirm-promotion/gate",),
    is_cleared=True,
    strategy="blue-green",
    has_untold_end=True,
    is_analysis_skipped=True,
    blocked=Blocker("ScalerNotFound", "Canary test/podinfo spec.autoscalerRef.name: found 'x'"),
    sequence=12,
    news=(
        info("one"),
        warning("two"),
        rolling_back("podinfo.test", "reasons", "because"),
        initialized("x", "DaemonSet"),
    ),
    alerted_by="agent-1_ab12",
)


def write(state: State, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return write_status(state, before, target_kind="Deployment", generation=3)


@pytest.mark.parametrize("state", [FULL, State(), replace(FULL, blocked=None, shifted_s=None, news=())])
def test_what_is_written_is_read_again(state: State) -> None:
    assert read_state(write(state)) == state


def test_tracked_configs_stand_where_flagger_has_them() -> None:
    assert write(FULL)["trackedConfigs"] == {"configmap/conf": "c1", "secret/keys": "s1"}


def test_cleared_times_leave_the_status() -> None:
    written = write(replace(FULL, shifted_s=None, unready_since_s=None), write(FULL))
    assert "shiftedAt" not in written["serin"]
    assert read_state(written).shifted_s is None


def test_fields_that_we_do_not_know_are_kept() -> None:
    before = {"others": {"a": "1"}, "serin": {"future": 1}, "conditions": [{"type": "Theirs"}]}
    written = write(FULL, dict(before))
    assert written["others"] == {"a": "1"}
    assert written["serin"]["future"] == 1
    assert {"type": "Theirs"} in written["conditions"]


def conditions(status: dict[str, Any]) -> dict[str, dict[str, str]]:
    listed = status["conditions"]
    assert isinstance(listed, list)
    return {condition["type"]: condition for condition in listed}


def test_conditions_say_the_phase_in_flaggers_words_and_whether_the_way_is_free() -> None:
    found = conditions(write(FULL))
    assert (found["Promoted"]["status"], found["Promoted"]["reason"]) == ("Unknown", "Progressing")
    assert found["Promoted"]["message"] == "New revision detected, progressing canary analysis."
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ("False", "ScalerNotFound")


def test_a_condition_keeps_its_transition_time_while_its_status_stays() -> None:
    first = write(FULL)
    later = replace(FULL, phase=Phase.PROMOTING, last_transition_s=FULL.last_transition_s + 100)
    promoted = conditions(write(later, first))["Promoted"]
    assert promoted["reason"] == "Promoting"
    assert promoted["lastTransitionTime"] == conditions(first)["Promoted"]["lastTransitionTime"]
    assert promoted["lastUpdateTime"] != promoted["lastTransitionTime"]


def test_an_unknown_phase_is_named() -> None:
    with pytest.raises(UnknownPhase, match=r"status\.phase: found 'Dreaming'; allowed: Initializing, "):
        read_state({"phase": "Dreaming"})


def test_a_move_has_its_own_number_time_and_news() -> None:
    moved = FULL.moved(1_700_000_100.0, info("next"), canary_weight=20)
    assert (moved.sequence, moved.last_transition_s, moved.canary_weight) == (13, 1_700_000_100.0, 20)
    assert moved.news == (info("next"),)
    assert moved.alerted_by == "", "the alerts of the move before were another's"
