"""The agent is killed before and after every effect of a promotion and of a rollback, under load: the same end."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.mortal_agent import MortalAgent, watching_weights, without_installed_agent
from tests.support.rollout import Rollouts, canary, podinfo

# An agent that dies before its second effect has made one; one that dies after its first has made one too. So either
# kills it around every single effect of a run, once on each side. A play takes a minute, so they belong to `make long`;
# the tapes of tests/unit/canary play the same without a cluster.
FAULTS = ["before:2", "after:1"]

pytestmark = [pytest.mark.long]


@pytest.fixture(scope="module", autouse=True)
def no_other_agent(cluster: Cluster) -> Iterator[None]:
    with without_installed_agent(cluster):
        yield


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def bootstrap(rollouts: Rollouts, agent: MortalAgent, analysis: dict[str, Any]) -> None:
    rollouts.apply(podinfo("app", replicas=2), virtual_service(rollouts.namespace), canary("app", analysis))
    with agent.running():
        rollouts.wait_for_phase("app", "Initialized")
        rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))


def run_under_load(rollouts: Rollouts, agent: MortalAgent, fault: str, end: str) -> tuple[int, list[int], str]:
    """Set a new image and live through the run; gives kills, the weights that were seen, and hey's report."""
    cluster, namespace = rollouts.cluster, rollouts.namespace
    with watching_weights(cluster, namespace, "app") as weights, steady_load(cluster, namespace) as reports:
        rollouts.set_image("app", "3.1.1")

        def is_over() -> bool:
            status, target = rollouts.status("app"), rollouts.get("deployment", "app")
            is_done = status["phase"] == end and status["serin"]["finishedRevision"] == status["lastAppliedSpec"]
            return bool(is_done and target["spec"]["replicas"] == 0)

        kills = agent.live_through(fault, is_over)
    return kills, weights, reports[0]


def told_once(rollouts: Rollouts, agent: MortalAgent, *texts: str) -> None:
    """Let a healthy agent finish its telling, then hold every event of a move against having been told once."""
    with agent.running():
        rollouts.wait_for("the last news", lambda: texts[-1] in [text for _, text in rollouts.events("app")])
    counted = Counter(text for _, text in rollouts.events("app"))
    assert {text: counted[text] for text in texts} == dict.fromkeys(texts, 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_promotion_ends_the_same_however_often_the_agent_dies(rollouts: Rollouts, fault: str) -> None:
    agent = MortalAgent(rollouts.cluster, rollouts.namespace)
    bootstrap(rollouts, agent, {})
    kills, weights, report = run_under_load(rollouts, agent, fault, "Succeeded")
    assert kills >= 10
    assert weights == [0, 25, 50, 0], "a step was left out, taken twice, or taken back"
    primary = rollouts.get("deployment", "app-primary")
    assert primary["spec"]["template"]["spec"]["containers"][0]["image"] == "stefanprodan/podinfo:3.1.1"
    assert_no_request_lost(report)
    name = f"app.{rollouts.namespace}"
    told_once(
        rollouts,
        agent,
        f"New revision detected! Scaling up {name}: podinfod image 3.1.0 -> 3.1.1, applied by admin",
        f"Advance {name} canary weight 25",
        f"Advance {name} canary weight 50",
        f"Copying {name} template spec to app-primary.{rollouts.namespace}",
        "Routing all traffic to primary",
        f"Promotion completed! Scaling down {name}",
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rollback_ends_the_same_however_often_the_agent_dies(rollouts: Rollouts, fault: str) -> None:
    agent = MortalAgent(rollouts.cluster, rollouts.namespace)
    always_failing = {"name": "zero", "query": "vector(0)", "thresholdRange": {"min": 1}, "interval": "10s"}
    bootstrap(rollouts, agent, {"threshold": 2, "metrics": [always_failing]})
    kills, weights, report = run_under_load(rollouts, agent, fault, "Failed")
    assert kills >= 6
    assert weights == [0, 25, 0], "traffic went where it must not"
    assert rollouts.status("app")["failedChecks"] == 2
    primary = rollouts.get("deployment", "app-primary")
    assert primary["spec"]["template"]["spec"]["containers"][0]["image"] == "stefanprodan/podinfo:3.1.0"
    assert_no_request_lost(report)
    name = f"app.{rollouts.namespace}"
    told_once(
        rollouts,
        agent,
        f"New revision detected! Scaling up {name}: podinfod image 3.1.0 -> 3.1.1, applied by admin",
        f"Advance {name} canary weight 25",
        f"Rolling back {name} failed checks threshold reached 2",
        f"Canary failed! Scaling down {name}",
    )
    halted = [text for _, text in rollouts.events("app") if text == f"Halt {name} advancement zero 0.00 < 1"]
    assert len(halted) == 2, json.dumps(rollouts.events("app"), indent=1)
