"""The agent is killed around every effect of a run that a ConfigMap started: the same end, and no request lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.load import answer, assert_no_request_lost, steady_load, virtual_service
from tests.support.mortal_agent import MortalAgent, without_installed_agent
from tests.support.rollout import Rollouts, canary, podinfo


@pytest.fixture(scope="module", autouse=True)
def no_other_agent(cluster: Cluster) -> Iterator[None]:
    with without_installed_agent(cluster):
        yield


def conf(name: str, message: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"PODINFO_UI_MESSAGE": message},
    }


@pytest.mark.long
@pytest.mark.parametrize("fault", ["before:2", "after:1"])
def test_two_configmaps_are_promoted_together_however_often_the_agent_dies(
    cluster: Cluster, namespace: str, fault: str
) -> None:
    rollouts, agent = Rollouts(cluster, namespace), MortalAgent(cluster, namespace)
    target = podinfo("app", replicas=2)
    container = target["spec"]["template"]["spec"]["containers"][0]
    container["envFrom"] = [{"configMapRef": {"name": name}} for name in ("other", "conf")]
    rollouts.apply(conf("conf", "one"), conf("other", "one"), target, virtual_service(namespace), canary("app"))
    with agent.running():
        rollouts.wait_for_phase("app", "Initialized")
        rollouts.wait_for("the gateway serves it", lambda: answer(cluster, namespace).get("message") == "one")

    def is_over() -> bool:
        status, spec = rollouts.status("app"), rollouts.get("deployment", "app")["spec"]
        is_promoted = status["phase"] == "Succeeded" and status["lastPromotedSpec"] != before
        return bool(is_promoted and spec["replicas"] == 0)

    before = rollouts.status("app")["lastPromotedSpec"]
    with steady_load(cluster, namespace) as reports:
        rollouts.apply(conf("conf", "two"), conf("other", "two"))
        kills = agent.live_through(fault, is_over)
    assert kills >= 8
    copies = [rollouts.get("configmap", f"{name}-primary")["data"]["PODINFO_UI_MESSAGE"] for name in ("conf", "other")]
    assert copies == ["two", "two"]
    assert answer(cluster, namespace)["message"] == "two"
    assert_no_request_lost(reports[0])
