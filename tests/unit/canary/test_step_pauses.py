"""A step that is a pause: how long it holds, who ends it, and what ends the run there."""

import pytest

from canary.run.judge import Verdict
from canary.run.messages import Alert
from canary.run.phase import Phase
from tests.support.listed_steps import (
    FAIL,
    NO_DATA,
    PASS,
    PAUSE_AT_20,
    PAUSED,
    REVISION,
    at_pause,
    begun,
    listed,
    ours,
    pause,
    resume,
    seconds_at,
    step,
)
from tests.support.simulated_parts import UNREADY, always
from tests.support.simulated_runs import phase


def test_a_pause_holds_until_it_is_resumed_and_no_longer() -> None:
    cluster = at_pause()
    cluster.run(6 * 3600)
    assert (cluster.weights, phase(cluster)) == ((80, 20), Phase.PROGRESSING)
    assert (ours(cluster)["step"], ours(cluster)["waitingFor"]) == (2, ["pause/2"])
    assert cluster.texts().count(PAUSED) == 1
    assert [news.alert for news in cluster.told if news.text == PAUSED] == [
        Alert("warn", "Canary is paused at weight 20, until it is resumed.")
    ]
    assert resume(cluster) == "accepted"
    assert cluster.weights == (50, 50), "its checks had passed: nobody waits for others"
    assert "Resuming podinfo.test, by request of alice" in cluster.texts()
    assert "waitingFor" not in ours(cluster)
    assert "stepResumed" not in ours(cluster)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


@pytest.mark.parametrize(("verdict", "after_s"), [(FAIL, 25), (NO_DATA, 700)])
def test_a_pause_is_checked_and_rolled_back(verdict: Verdict, after_s: float) -> None:
    cluster = at_pause()
    cluster.run(600)
    cluster.verdicts = always(verdict)
    cluster.run(after_s)
    assert (phase(cluster), cluster.weights, ours(cluster)) == (Phase.FAILED, (100, 0), {})


def test_what_is_resumed_at_once_has_an_interval_of_checks_that_pass_all_the_same() -> None:
    cluster = begun(listed(pause(20), step(50)))
    cluster.verdicts = iter([NO_DATA, *[PASS] * 99])
    assert resume(cluster) == "accepted"
    assert ours(cluster)["stepResumed"] is True
    assert seconds_at(cluster) == {20: 20, 50: 10}


def test_a_resume_ends_a_pause_by_request_first_and_the_steps_own_stays() -> None:
    cluster = at_pause()
    cluster.request = f"pause@{REVISION}"
    cluster.settle()
    assert cluster.status["serin"]["paused"] is True
    assert resume(cluster) == "accepted"
    cluster.run(600)
    assert (cluster.weights, ours(cluster)["waitingFor"]) == ((80, 20), ["pause/2"])
    text = "Resuming podinfo.test, by request of alice. Step 2 still pauses it: resume it once more"
    assert text in cluster.texts()
    assert resume(cluster) == "accepted"
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_step_that_is_no_pause_can_not_be_resumed_ahead() -> None:
    cluster = begun(PAUSE_AT_20)
    assert resume(cluster) == "refused"
    assert cluster.status["serin"]["request"]["why"] == f"resume of a paused run; {REVISION} is not paused"
    cluster.run(60)
    assert ours(cluster)["waitingFor"] == ["pause/2"]


def test_each_pause_is_resumed_for_itself() -> None:
    cluster = at_pause(listed(pause(20), pause(20), pause(40)))
    for number in (1, 2, 3):
        assert (ours(cluster)["step"], ours(cluster)["waitingFor"]) == (number, [f"pause/{number}"])
        resume(cluster)
        cluster.run(15)
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_resume_whose_text_was_carried_out_ends_no_other_pause_of_the_run() -> None:
    cluster = at_pause(listed(pause(20), pause(40), step(60)))
    for count in range(3):
        cluster.request = f"resume@{REVISION}"
        cluster.run(60)
        assert (cluster.request, ours(cluster)["waitingFor"], cluster.weights) == ("", ["pause/2"], (60, 40))
        assert cluster.status["serin"]["request"]["result"] == ("refused" if count else "accepted")
    assert cluster.status["serin"]["request"]["why"] == (
        "resume@aaaaaaaaaaaaaaa, or as many characters of aaaaaaaaaaaaaaaa as were not used last; this text was "
        "carried out, and where it is kept in Git it would be after each pause"
    )
    cluster.request = f"resume@{REVISION[:-1]}"
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_a_resume_of_a_run_is_carried_out_though_one_of_an_earlier_run_had_its_text() -> None:
    cluster = at_pause()
    cluster.request = f"resume@{REVISION}"
    cluster.verdicts = always(FAIL)
    cluster.run(100)
    assert phase(cluster) is Phase.FAILED
    cluster.verdicts = always(PASS)
    cluster.set_image("bbbbbbbbbbbbbbbb")
    cluster.run(60)
    cluster.set_image(REVISION)
    cluster.settle()
    cluster.run(300, until=lambda: bool(cluster.state.hooks.waiting_for))
    cluster.request = f"resume@{REVISION}"
    cluster.settle()
    assert cluster.status["serin"]["request"].get("why", "") == ""


@pytest.mark.parametrize(("verb", "expected"), [("promote", Phase.SUCCEEDED), ("abort", Phase.FAILED)])
def test_other_requests_are_carried_out_at_a_pause(verb: str, expected: Phase) -> None:
    cluster = at_pause(PAUSE_AT_20 | {"bake": "1h"})
    cluster.request = f"{verb}@{REVISION}"
    cluster.run(60)
    assert (phase(cluster), ours(cluster)) == (expected, {})


def test_a_pause_holds_where_the_primary_is_lost_and_a_duration_does_not() -> None:
    timed = begun(listed(step(20, "1h")))
    paused = at_pause()
    for cluster in (timed, paused):
        cluster.run(15)
        cluster.primary_readiness = UNREADY
        cluster.run(120)
    assert paused.weights == (80, 20)
    assert resume(paused) == "accepted"
    assert timed.weights == paused.weights == (0, 100)
