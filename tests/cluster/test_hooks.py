"""Hooks on the cluster: what a run calls, with what, and how often."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.receiver import Receiver
from tests.support.rollout import Rollouts, canary, podinfo


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@pytest.fixture
def receiver(rollouts: Rollouts) -> Receiver:
    made = Receiver(rollouts)
    made.start()
    return made


def bootstrap(rollouts: Rollouts, *hooks: dict[str, Any], **analysis: Any) -> None:
    rollouts.apply(podinfo("app"), canary("app", {"webhooks": list(hooks)} | analysis))
    rollouts.wait_for_phase("app", "Initialized")


def test_a_run_calls_every_hook_with_flaggers_phase(rollouts: Rollouts, receiver: Receiver) -> None:
    kinds = ("pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion", "post-rollout")
    hooks = [receiver.hook(kind) for kind in kinds]
    bootstrap(
        rollouts,
        receiver.hook("confirm-rollout", metadata={"team": "a"}),
        receiver.hook("rollback", 403),
        *hooks,
    )
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    rollouts.wait_for("the end is told", lambda: len(receiver.calls("post-rollout")) > 0)
    phases = {kind: {call["phase"] for call in receiver.calls(kind)} for kind in (*kinds, "confirm-rollout")}
    assert phases == {
        "confirm-rollout": {"Waiting"},
        "pre-rollout": {"Progressing"},
        "rollout": {"Progressing"},
        "confirm-traffic-increase": {"Progressing"},
        "confirm-promotion": {"Progressing"},
        "post-rollout": {"Succeeded"},
    }
    (confirmed,) = receiver.calls("confirm-rollout")
    checksum = confirmed.pop("checksum")
    assert confirmed == {
        "name": "app",
        "namespace": rollouts.namespace,
        "phase": "Waiting",
        "metadata": {"team": "a"},
    }
    assert {call["checksum"] for kind in kinds for call in receiver.calls(kind)} == {checksum}


def test_a_refused_pre_rollout_hook_fails_the_run_before_any_traffic(rollouts: Rollouts, receiver: Receiver) -> None:
    bootstrap(rollouts, receiver.hook("pre-rollout", 403), receiver.hook("post-rollout", 500), threshold=2)
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Failed", deadline_s=60)
    name = f"app.{rollouts.namespace}"
    rollouts.wait_until_told_times(
        "app", f"Halt {name} advancement pre-rollout check pre-rollout failed HTTP 403: so it is", 2
    )
    assert not [text for text in texts_of(rollouts) if "canary weight" in text]
    rollouts.wait_for(
        "the end is told", lambda: "Post-rollout hook post-rollout failed HTTP 500: so it is" in str(texts_of(rollouts))
    )
    assert [call["phase"] for call in receiver.calls("post-rollout")] == ["Failed"]


def texts_of(rollouts: Rollouts) -> list[str]:
    return [text for _, text in rollouts.events("app")]


def test_a_refused_rollout_hook_rolls_back(rollouts: Rollouts, receiver: Receiver) -> None:
    bootstrap(rollouts, receiver.hook("rollout", 500))
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Failed", deadline_s=60)
    halted = f"Halt app.{rollouts.namespace} advancement external check rollout failed HTTP 500: so it is"
    rollouts.wait_until_told_times("app", halted, 3)


def test_an_event_hook_hears_what_the_events_say(rollouts: Rollouts, receiver: Receiver) -> None:
    bootstrap(rollouts, receiver.hook("event", metadata={"team": "a"}))
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    completed = f"Promotion completed! Scaling down app.{rollouts.namespace}"
    rollouts.wait_for("the last event", lambda: completed in str(receiver.calls("event")))
    heard = [(call["metadata"]["eventType"], call["metadata"]["eventMessage"]) for call in receiver.calls("event")]
    assert set(heard) == set(rollouts.events("app"))
    last = next(call for call in receiver.calls("event") if call["metadata"]["eventMessage"] == completed)
    assert (last["name"], last["namespace"], last["phase"]) == ("app", rollouts.namespace, "Succeeded")
    assert last["metadata"]["team"] == "a"
    assert last["metadata"]["timestamp"].isdecimal()


def test_a_hook_that_hangs_holds_up_neither_the_rollback_nor_another_canary(
    rollouts: Rollouts, receiver: Receiver
) -> None:
    hang = {"name": "slow", "type": "rollout", "url": "http://192.0.2.1/", "timeout": "10m"}
    failing = {"name": "zero", "query": "vector(0)", "thresholdRange": {"min": 1}, "interval": "10s"}
    bootstrap(rollouts, hang, metrics=[failing])
    rollouts.apply(podinfo("other"), canary("other"))
    rollouts.wait_for_phase("other", "Initialized")
    rollouts.set_image("app", "3.1.1")
    rollouts.set_image("other", "3.1.1")
    rollouts.wait_for_phase("app", "Failed", deadline_s=40)
    rollouts.wait_for_phase("other", "Succeeded", deadline_s=60)
