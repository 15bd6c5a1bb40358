"""Agents are killed, or away, in the middle of a run: nothing is repeated, and what was asked for is carried out."""

from collections import Counter

import pytest

from tests.support.cluster import Cluster
from tests.support.incoming_hook import ALERTS, INITIALIZED, PROMOTED, STARTED, start_chat
from tests.support.load import assert_no_request_lost, initialize, steady_load
from tests.support.mortal_agent import without_installed_agent
from tests.support.receiver import Receiver
from tests.support.rollout import Rollouts, canary, podinfo


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def kill_agent(cluster: Cluster) -> None:
    """Kill the agent's process, inside the cluster's own process namespace; its pod starts another."""
    cluster.run("pkill", "-KILL", "-f", "^python -m agent --metrics-server")


def test_an_agent_that_is_killed_meanwhile_repeats_nothing(rollouts: Rollouts) -> None:
    chat = start_chat(rollouts)
    rollouts.apply(podinfo("app"), canary("app", ALERTS))
    chat.wait_for(INITIALIZED)
    rollouts.set_image("app", "3.1.1")
    chat.wait_for(INITIALIZED, STARTED)
    kill_agent(rollouts.cluster)
    chat.wait_for(INITIALIZED, STARTED, PROMOTED)
    kill_agent(rollouts.cluster)
    # The next run's message says that the new agent has looked at the old ones.
    rollouts.set_image("app", "3.1.2")
    chat.wait_for(INITIALIZED, STARTED, PROMOTED, STARTED, PROMOTED)


def delete_agent(cluster: Cluster) -> None:
    """Kill the agent with its pod, which another pod follows at once: no back-off of restarts is waited out."""
    pods = ("pods", "-l", "app.kubernetes.io/name=serin-agent")
    cluster.kubectl("-n", "gloo-system", "delete", *pods, "--force", "--grace-period=0")


def test_a_restarted_agent_repeats_no_answered_hook_and_no_event(rollouts: Rollouts) -> None:
    receiver = Receiver(rollouts)
    receiver.start()
    once = ("confirm-rollout", "pre-rollout", "confirm-promotion", "post-rollout")
    hooks = [*(receiver.hook(kind) for kind in once), receiver.hook("event")]
    rollouts.apply(podinfo("app"), canary("app", {"webhooks": hooks, "interval": "2s"}))
    rollouts.wait_for_phase("app", "Initialized")
    name = f"app.{rollouts.namespace}"
    moves = [
        f"Advance {name} canary weight 25",
        f"Advance {name} canary weight 50",
        f"Copying {name} template spec to app-primary.{rollouts.namespace}",
        f"Promotion completed! Scaling down {name}",
    ]
    rollouts.set_image("app", "3.1.1")
    # What a call had for an answer is stored a moment after it came: an agent that dies in between calls again.
    for move in (moves[0], moves[2]):
        wait_until_heard(rollouts, receiver, move)
        delete_agent(rollouts.cluster)
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    wait_until_heard(rollouts, receiver, moves[3])
    rollouts.wait_for("that is stored", lambda: "endUntold" not in rollouts.status("app")["serin"])
    delete_agent(rollouts.cluster)
    # The next run's first hook says that the new agent has looked at the old moves.
    rollouts.set_image("app", "3.1.2")
    rollouts.wait_for("the next run", lambda: len(receiver.calls("confirm-rollout")) > 1)
    first_run = receiver.calls("confirm-rollout")[0]["checksum"]
    counts = {kind: [call["checksum"] for call in receiver.calls(kind)].count(first_run) for kind in once}
    assert counts == dict.fromkeys(once, 1)
    events = [call for call in receiver.calls("event") if call["checksum"] == first_run]
    heard = Counter(event["metadata"]["eventMessage"] for event in events)
    assert {text: heard[text] for text in moves} == dict.fromkeys(moves, 1)


def wait_until_heard(rollouts: Rollouts, receiver: Receiver, text: str) -> None:
    rollouts.wait_for(f"the event hook hears: {text}", lambda: text in str(receiver.calls("event")))


def test_a_request_that_came_while_the_agent_was_down_is_carried_out_once(rollouts: Rollouts) -> None:
    initialize(rollouts, {"stepWeight": 1, "interval": "2s"})
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for("it has traffic", lambda: rollouts.status("app")["canaryWeight"] > 0)
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        with without_installed_agent(rollouts.cluster):
            request = f"serin.dev/request=promote@{rollouts.status('app')['lastAppliedSpec']}"
            rollouts.cluster.kubectl("-n", rollouts.namespace, "annotate", "canary", "app", request)
            assert rollouts.status("app")["phase"] == "Progressing"
        rollouts.wait_for_phase("app", "Succeeded")
    assert_no_request_lost(reports[0])
    assert rollouts.tags_of_primary("app") == {"3.1.0", "3.1.1"}
    assert rollouts.status("app")["serin"]["request"]["result"] == "accepted"
    assert "serin.dev/request" not in rollouts.get("canary", "app")["metadata"]["annotations"]
    by = rollouts.status("app")["serin"]["request"]["by"]
    said = f"Promoting app.{rollouts.namespace} without the rest of its analysis, by request of {by}"
    assert [text for _, text in rollouts.events("app")].count(said) == 1
