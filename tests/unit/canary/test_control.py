"""Requests: each is carried out once, whenever the agent dies, or refused with what is allowed."""

import pytest

from canary.run.judge import Verdict
from canary.run.phase import Phase
from canary.run.state import Blocker
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import Crash, always
from tests.support.simulated_runs import bootstrapped, hook, phase

REVISION = "aaaaaaaaaaaaaaaa"
OTHER = "bbbbbbbbbbbbbbbb"


@pytest.fixture
def running(cluster: SimulatedCluster) -> SimulatedCluster:
    """A run of REVISION whose canary has 10 percent."""
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.settle()
    cluster.told.clear()
    return cluster


def ask(cluster: SimulatedCluster, text: str) -> dict[str, str]:
    """Write the annotation, let it be answered, and give what the status says of it."""
    cluster.request = text
    cluster.settle()
    assert cluster.request == "", "the annotation stays"
    result: dict[str, str] = cluster.status["serin"]["request"]
    return result


def test_promote_ends_the_analysis_at_once(running: SimulatedCluster) -> None:
    result = ask(running, f"promote@{REVISION}")
    assert (result["verb"], result["revision"], result["result"]) == ("promote", REVISION, "accepted")
    assert result["at"].endswith("Z")
    running.run(60)
    assert phase(running) is Phase.SUCCEEDED
    assert running.primary_revision == REVISION
    assert max(weight for _, weight in running.history) == 10, "no further step was taken"


@pytest.mark.parametrize("kind", ["confirm-rollout", "confirm-promotion", "confirm-traffic-increase"])
def test_promote_passes_gates_that_are_shut(kind: str) -> None:
    gate = {"name": "gate", "type": kind, "url": "http://gate.test/"}
    cluster = SimulatedCluster(canary({"webhooks": [gate]}), gates={"gate": Verdict.FAIL})
    cluster.run(30)
    cluster.set_image(REVISION)
    cluster.run(900)
    assert phase(cluster) is not Phase.SUCCEEDED
    assert ask(cluster, f"promote@{REVISION}")["result"] == "accepted"
    cluster.run(120)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.primary_revision == REVISION


@pytest.mark.parametrize("verb", ["abort", "skip"])
def test_abort_and_skip_pull_the_traffic_and_the_revision_does_not_come_back(
    running: SimulatedCluster, verb: str
) -> None:
    assert ask(running, f"{verb}@{REVISION}")["result"] == "accepted"
    assert running.weights == (100, 0)
    running.run(900)
    assert (phase(running), running.target_replicas) == (Phase.FAILED, 0)
    assert running.primary_revision == "rev-1"


def test_pause_holds_the_weight_while_checks_go_on_and_resume_lets_it_grow(running: SimulatedCluster) -> None:
    assert ask(running, f"pause@{REVISION}")["result"] == "accepted"
    assert running.status["serin"]["paused"] is True
    asked_before = len(running.questions)
    running.run(300)
    assert running.weights == (90, 10)
    assert len(running.questions) >= asked_before + 20, "the checks stopped"
    assert ask(running, f"resume@{REVISION}")["result"] == "accepted"
    assert "paused" not in running.status["serin"]
    running.run(30)
    assert running.state.traffic.canary_percent > 10


def test_a_paused_run_is_rolled_back_by_its_checks(running: SimulatedCluster) -> None:
    ask(running, f"pause@{REVISION}")
    running.verdicts = always(Verdict.FAIL)
    running.run(100)
    assert (phase(running), running.weights) == (Phase.FAILED, (100, 0))
    assert "paused" not in running.status["serin"]


def test_a_pause_is_of_one_revision(running: SimulatedCluster) -> None:
    ask(running, f"pause@{REVISION}")
    running.set_image(OTHER)
    running.run(600)
    assert (phase(running), running.primary_revision) == (Phase.SUCCEEDED, OTHER)


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        ("promote", "Promoting podinfo.test without the rest of its analysis, by request of alice"),
        ("abort", "Rolling back podinfo.test aborted by request of alice"),
        ("pause", "Pausing podinfo.test at canary weight 10, by request of alice. Its checks go on"),
        ("skip", f"Rolling back podinfo.test revision {REVISION} is skipped by request of alice"),
    ],
)
def test_who_asked_stands_in_event_and_status(running: SimulatedCluster, verb: str, text: str) -> None:
    running.requested_by = "alice"
    result = ask(running, f"{verb}@{REVISION}")
    assert result["by"] == "alice"
    assert text in running.texts()


def test_who_asked_to_resume_or_to_retry_stands_in_event_and_status(running: SimulatedCluster) -> None:
    running.requested_by = "bob"
    ask(running, f"pause@{REVISION}")
    ask(running, f"resume@{REVISION}")
    assert "Resuming podinfo.test, by request of bob" in running.texts()
    ask(running, f"abort@{REVISION}")
    running.run(60)
    assert ask(running, f"retry@{REVISION}")["by"] == "bob"
    assert f"Running revision {REVISION} of podinfo.test again, by request of bob" in running.texts()


def test_who_asked_for_what_is_refused_stands_in_event_and_status(running: SimulatedCluster) -> None:
    running.requested_by = "mallory"
    assert ask(running, "promote@ffffffff")["by"] == "mallory"
    assert (
        "Canary test/podinfo metadata.annotations[serin.dev/request]: found 'promote@ffffffff' of mallory; "
        f"allowed: promote@{REVISION}"
    ) in running.texts()


def test_where_nobody_knows_who_asked_nobody_is_named(running: SimulatedCluster) -> None:
    assert "by" not in ask(running, f"pause@{REVISION}")
    assert "Pausing podinfo.test at canary weight 10, by request. Its checks go on" in running.texts()


def test_pause_holds_a_run_that_skips_its_analysis() -> None:
    cluster = SimulatedCluster(canary(skipAnalysis=True))
    cluster.run(30)
    cluster.set_image(REVISION)
    cluster.tick()
    assert ask(cluster, f"pause@{REVISION}")["result"] == "accepted"
    cluster.run(60)
    assert phase(cluster) is Phase.PROGRESSING
    ask(cluster, f"resume@{REVISION}")
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


def test_retry_runs_a_failed_revision_again(running: SimulatedCluster) -> None:
    ask(running, f"abort@{REVISION}")
    running.run(60)
    assert ask(running, f"retry@{REVISION}")["result"] == "accepted"
    running.run(600)
    assert (phase(running), running.primary_revision) == (Phase.SUCCEEDED, REVISION)


@pytest.mark.parametrize("verb", ["abort", "skip"])
def test_a_retried_run_that_ends_badly_too_leaves_no_canary_side(running: SimulatedCluster, verb: str) -> None:
    for text in (f"abort@{REVISION}", f"retry@{REVISION}", f"{verb}@{REVISION}"):
        assert ask(running, text)["result"] == "accepted"
        running.run(60)
    assert phase(running) is Phase.FAILED
    assert (running.weights, running.target_replicas) == ((100, 0), 0)


def test_skip_keeps_a_revision_from_running_whose_run_has_not_begun(cluster: SimulatedCluster) -> None:
    cluster.canary = canary(suspend=True)
    cluster.settle()
    cluster.set_image(REVISION)
    assert ask(cluster, f"skip@{REVISION}")["result"] == "accepted"
    assert f"Revision {REVISION} of podinfo.test is not rolled out, by request" in cluster.texts()
    cluster.canary = canary()
    cluster.run(300)
    assert (phase(cluster), cluster.target_replicas) == (Phase.INITIALIZED, 0)
    cluster.set_image(OTHER)
    cluster.run(600)
    assert cluster.primary_revision == OTHER, "another revision runs as ever"


@pytest.mark.parametrize("skipped", [REVISION, OTHER])
def test_skip_stops_no_scaling_down(running: SimulatedCluster, skipped: str) -> None:
    running.is_drained = None
    ask(running, f"abort@{REVISION}")
    running.set_image(skipped)
    assert running.target_replicas == 2
    running.request = f"skip@{skipped}"
    running.tick()  # claims it
    running.tick()
    assert running.state.control.request is not None
    running.run(120)
    assert (phase(running), running.target_replicas) == (Phase.FAILED, 0)
    running.run(120)
    assert phase(running) is Phase.FAILED, "the skipped revision runs"


def test_skip_scales_down_what_came_up_while_the_run_before_it_ended() -> None:
    cluster = bootstrapped({"webhooks": [hook("post-rollout")]})
    cluster.set_image(REVISION)
    cluster.run(900, until=lambda: phase(cluster) is Phase.FINALISING)
    cluster.set_image(OTHER)
    cluster.run(900, until=lambda: phase(cluster) is Phase.SUCCEEDED)
    assert cluster.target_replicas == 2
    ask(cluster, f"skip@{OTHER}")
    cluster.run(120)
    assert (phase(cluster), cluster.target_replicas) == (Phase.SUCCEEDED, 0)
    assert cluster.primary_revision == REVISION


@pytest.mark.parametrize(("verb", "word"), [("retry", Phase.FAILED), ("skip", Phase.FAILED), ("promote", None)])
def test_what_needs_the_target_is_refused_while_there_is_none(
    running: SimulatedCluster, verb: str, word: Phase | None
) -> None:
    if word is Phase.FAILED:
        ask(running, f"abort@{REVISION}")
        running.run(60)
    running.is_target_gone, running.blockers = True, (Blocker("TargetNotFound", "no such target"),)
    result = ask(running, f"{verb}@{REVISION}")
    assert (result["result"], result["why"]) == (
        "refused",
        f"{verb} while podinfo.test exists, and it does not",
    )


def test_a_run_without_a_target_can_be_aborted(running: SimulatedCluster) -> None:
    running.is_target_gone, running.blockers = True, (Blocker("TargetNotFound", "no such target"),)
    assert ask(running, f"abort@{REVISION}")["result"] == "accepted"
    assert (phase(running), running.weights) == (Phase.FAILED, (100, 0))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (f"promote@{OTHER}", f"promote@{REVISION}"),
        (f"retry@{REVISION}", "retry in phase Failed, Initialized, Succeeded; the phase is Progressing"),
        (f"resume@{REVISION}", f"resume of a paused run; {REVISION} is not paused"),
        ("promote", "<promote|abort|pause|resume|retry|skip>@<revision>, with a revision or at least its first 6"),
        ("promote@aaaaa", "at least its first 6 characters"),
        (f"rollback@{REVISION}", "<promote|abort|pause|resume|retry|skip>@<revision>"),
        ("@", "<promote|abort"),
    ],
)
def test_what_can_not_be_done_is_refused_with_what_is_allowed(
    running: SimulatedCluster, text: str, allowed: str
) -> None:
    before = running.state
    result = ask(running, text)
    assert result["result"] == "refused"
    assert allowed in result["why"]
    path = "Canary test/podinfo metadata.annotations[serin.dev/request]"
    [said] = [news for news in running.told if news.text.startswith(path)]
    assert said.is_warning
    assert f"found {text!r}; allowed: " in said.text
    assert (running.state.phase, running.state.traffic.canary_percent) == (before.phase, before.traffic.canary_percent)


def test_what_is_no_request_is_kept_as_it_may_be_shown(running: SimulatedCluster) -> None:
    result = ask(running, "fo\x1b]0;o\n" + 1000 * "x")
    assert (result["verb"], result["revision"]) == ("fo�]0;o " + 247 * "x" + "…", "")


def test_a_prefix_of_the_revision_is_enough(running: SimulatedCluster) -> None:
    assert ask(running, "abort@aaaaaa")["result"] == "accepted"
    assert phase(running) is Phase.FAILED


def test_the_promoted_revision_is_neither_retried_nor_skipped(cluster: SimulatedCluster) -> None:
    for verb in ("retry", "skip"):
        result = ask(cluster, f"{verb}@rev-1")
        assert result["result"] == "refused"
    assert phase(cluster) is Phase.INITIALIZED


def test_requests_are_answered_while_the_canary_stands_still(running: SimulatedCluster) -> None:
    running.canary = canary(suspend=True)
    running.settle()
    assert ask(running, f"abort@{REVISION}")["result"] == "accepted"
    assert running.weights == (100, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("crash_at", range(1, 5))
def test_a_request_is_carried_out_once_wherever_the_agent_dies(
    running: SimulatedCluster, crash_at: int, when: str
) -> None:
    effects = 0

    def die(_: str) -> None:
        nonlocal effects
        effects += 1
        if effects == crash_at:
            raise Crash

    running.request = f"pause@{REVISION}"
    setattr(running, f"{when}_effect", die)
    with pytest.raises(Crash):
        running.settle()
    running.before_effect = running.after_effect = lambda _: None
    running.settle()
    assert running.request == ""
    assert running.state.control.is_paused
    running.settle()
    assert running.claims == 1, "it was taken for another request"
    assert ask(running, f"resume@{REVISION}")["result"] == "accepted"


def test_the_same_text_written_again_after_a_crash_is_another_request(running: SimulatedCluster) -> None:
    ask(running, f"pause@{REVISION}")
    first = running.status["serin"]["request"]["claim"]
    ask(running, f"resume@{REVISION}")
    ask(running, f"pause@{REVISION}")
    assert running.state.control.is_paused
    assert running.status["serin"]["request"]["claim"] != first


@pytest.mark.parametrize("verb", ["retry", "skip"])
def test_what_is_asked_after_a_run_waits_until_its_hooks_were_told_of_its_end(verb: str) -> None:
    cluster = bootstrapped({"threshold": 1, "webhooks": [hook("post-rollout")]})
    cluster.set_image(REVISION)
    cluster.run(300, until=lambda: cluster.state.traffic.canary_percent == 10)
    cluster.verdicts = always(Verdict.FAIL)
    cluster.run(30, until=lambda: cluster.state.phase is Phase.FAILED)
    cluster.verdicts = always(Verdict.PASS)
    revision = REVISION if verb == "retry" else OTHER
    cluster.set_image(revision)
    cluster.request = f"{verb}@{revision}"
    cluster.run(15)
    assert cluster.asked == ["post-rollout/post-rollout"]
    assert cluster.status["serin"]["request"]["result"] == "accepted"


def test_the_revision_that_is_being_promoted_needs_no_request(running: SimulatedCluster) -> None:
    running.run(900, until=lambda: running.state.phase is Phase.PROMOTING)
    result = ask(running, f"promote@{REVISION}")
    assert result["result"] == "refused"
    assert result["why"] == f"promote of a newer revision than {REVISION}, which is being promoted"


def test_what_a_terminal_obeys_is_not_stored_of_a_request(running: SimulatedCluster) -> None:
    result = ask(running, "a\x1b]0;owned\x07\x1b[2J" + 9999 * "b" + "#c\x1b[2J")
    assert (result["result"], result["claim"]) == ("refused", "c\N{REPLACEMENT CHARACTER}[2J")
    assert result["verb"].startswith("a\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}")
    assert (len(result["verb"]), "\x1b" in str(running.status)) == (256, False)


def test_a_reason_of_any_length_is_stored_in_bounds(running: SimulatedCluster) -> None:
    running.is_drained, running.requested_by = None, 100_000 * "a"
    ask(running, f"promote@{REVISION}")
    assert len(running.status["serin"]["run"]["reason"]) == 254
