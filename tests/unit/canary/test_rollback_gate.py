"""The rollback gate, which rolls back by saying yes, and the hooks that are told of the end."""

from typing import Any

import pytest

from canary.run.judge import Verdict
from canary.run.messages import Alert
from canary.run.observation import Question
from canary.run.phase import Phase
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_parts import Crash, always
from tests.support.simulated_runs import bootstrapped, hook, phase

WEIGHTS: dict[str, Any] = {"stepWeight": 20, "maxWeight": 40, "threshold": 2}
ROLLED_BACK = [
    "Rollback check rollback passed",
    "Rolling back podinfo.test manual webhook invoked",
    "Canary failed! Scaling down podinfo.test",
]


def with_hooks(*kinds: str, **spec: Any) -> SimulatedCluster:
    return bootstrapped(WEIGHTS | {"webhooks": [hook(kind) for kind in kinds]}, **spec)


def test_an_open_rollback_gate_pulls_the_traffic_whatever_the_checks_say() -> None:
    cluster = with_hooks("rollback")
    cluster.set_image("rev-2")
    cluster.run(100, until=lambda: cluster.state.traffic.canary_percent == 20)
    cluster.gates = {"rollback": Verdict.PASS}
    cluster.run(11)
    assert (phase(cluster), cluster.weights, cluster.primary_revision) == (Phase.FAILED, (100, 0), "rev-1")
    assert cluster.texts()[-3:] == ROLLED_BACK
    assert cluster.told[-2].alert == Alert("warn", "Rolling back manual webhook invoked")
    assert cluster.state.analysis.failed_checks == 0


@pytest.mark.parametrize("gate", ["confirm-rollout", "pre-rollout", "confirm-traffic-increase", "confirm-promotion"])
def test_an_open_rollback_gate_ends_every_kind_of_waiting(gate: str) -> None:
    cluster = with_hooks("rollback", gate)
    cluster.gates = {gate: Verdict.FAIL}
    if gate == "pre-rollout":
        cluster.verdicts = always(Verdict.ERROR)
    cluster.set_image("rev-2")
    cluster.run(60)
    assert phase(cluster) in {Phase.WAITING, Phase.PROGRESSING, Phase.WAITING_PROMOTION}
    cluster.gates["rollback"] = Verdict.PASS
    cluster.run(15)
    assert (phase(cluster), cluster.weights) == (Phase.FAILED, (100, 0))
    assert cluster.texts()[-3:] == ROLLED_BACK
    cluster.run(60)
    assert cluster.target_replicas == 0


@pytest.mark.parametrize("answer", [Verdict.FAIL, Verdict.ERROR])
def test_a_shut_rollback_gate_is_asked_once_an_interval_and_stops_nothing(answer: Verdict) -> None:
    cluster = with_hooks("rollback")
    cluster.gates = {"rollback": answer}
    cluster.set_image("rev-2")
    cluster.run(200)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.questions.count(Question.CHECKS) == 2
    assert len(cluster.asked) == 3, "before the analysis, and with each check"
    assert not [text for text in cluster.texts() if "ollback" in text], "a remark, not news"


def test_a_rollback_gate_is_not_asked_once_the_promotion_is_under_way() -> None:
    cluster = with_hooks("rollback")
    cluster.set_image("rev-2")
    cluster.run(100, until=lambda: cluster.state.phase is Phase.PROMOTING)
    cluster.gates = {"rollback": Verdict.PASS}
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED


@pytest.mark.parametrize(("verdict", "end"), [(Verdict.PASS, Phase.SUCCEEDED), (Verdict.FAIL, Phase.FAILED)])
def test_the_end_of_a_run_is_told_once(verdict: Verdict, end: Phase) -> None:
    cluster = with_hooks("post-rollout")
    cluster.verdicts = always(verdict)
    phases: list[Phase | None] = []
    cluster.before_effect = lambda effect: phases.append(cluster.state.phase) if effect == "answers" else None
    cluster.set_image("rev-2")
    cluster.run(900)
    assert phase(cluster) is end
    assert cluster.asked == ["post-rollout/post-rollout"]
    assert phases.count(end) == 1 + cluster.questions.count(Question.DRAINED) * (end is Phase.FAILED)
    assert cluster.texts()[-1] == "Post-rollout check post-rollout passed"
    assert cluster.target_replicas == 0


@pytest.mark.parametrize("answer", [Verdict.FAIL, Verdict.ERROR])
def test_what_a_post_rollout_hook_answers_changes_nothing(answer: Verdict) -> None:
    cluster = with_hooks("post-rollout")
    cluster.gates = {"post-rollout": answer}
    cluster.set_image("rev-2")
    cluster.run(900)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.asked == ["post-rollout/post-rollout"]
    assert cluster.told[-1].is_warning


def test_a_restart_tells_the_end_again_only_if_nobody_answered() -> None:
    cluster = with_hooks("post-rollout")
    cluster.set_image("rev-2")
    cluster.run(100, until=lambda: cluster.state.phase is Phase.SUCCEEDED)

    def die(effect: str) -> None:
        if effect == "answers":
            raise Crash

    cluster.before_effect = die
    with pytest.raises(Crash):
        cluster.settle()
    assert cluster.state.hooks.post_rollout_pending
    cluster.before_effect = lambda _: None
    cluster.run(60)
    assert cluster.asked == ["post-rollout/post-rollout"] * 2
    assert not cluster.state.hooks.post_rollout_pending


def test_the_end_of_one_run_is_told_before_the_next_begins() -> None:
    cluster = with_hooks("post-rollout")
    cluster.set_image("rev-2")
    cluster.run(100, until=lambda: cluster.state.phase is Phase.FINALISING)
    cluster.set_image("rev-3")
    cluster.run(200)
    texts = cluster.texts()
    assert texts.count("Post-rollout check post-rollout passed") == 2
    started = [text for text in texts if text.startswith(("New revision", "Post-rollout"))]
    assert started[:3] == [
        "New revision detected! Scaling up podinfo.test",
        "Post-rollout check post-rollout passed",
        "New revision detected! Scaling up podinfo.test",
    ]


def test_a_hook_that_is_added_after_the_end_is_not_told_of_it() -> None:
    cluster = with_hooks()
    cluster.set_image("rev-2")
    cluster.run(200)
    assert phase(cluster) is Phase.SUCCEEDED
    cluster.canary = with_hooks("post-rollout").canary
    cluster.run(60)
    assert cluster.asked == []


def test_a_skipped_analysis_is_told_at_its_end_and_asks_no_rollback_gate() -> None:
    cluster = with_hooks("post-rollout", "rollback", skipAnalysis=True)
    cluster.gates = {"rollback": Verdict.PASS}
    cluster.set_image("rev-2")
    cluster.run(60)
    assert phase(cluster) is Phase.SUCCEEDED
    assert cluster.asked == ["post-rollout/post-rollout"]


def test_a_shut_rollback_gate_is_told_in_flaggers_words() -> None:
    cluster = with_hooks("rollback")
    cluster.set_image("rev-2")
    told: set[str] = set()
    while phase(cluster) is not Phase.SUCCEEDED:
        decision = cluster.tick()
        told |= {remark.text for remark in decision.remarks}
        cluster.now_s += decision.wake_after_s or 0
    assert "Rollback hook rollback not signaling a rollback" in told
