"""Requests by annotation on a cluster: what `kubectl annotate` asks for happens once, and the status says what came."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.rollout import Rollouts, canary, podinfo

SLOW: dict[str, Any] = {"interval": "2s", "stepWeight": 1}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    """A canary in a run that would take minutes."""
    made = Rollouts(cluster, namespace)
    made.apply(podinfo("app"), canary("app", SLOW))
    made.wait_for_phase("app", "Initialized")
    made.set_image("app", "3.1.1")
    made.wait_for("it has traffic", lambda: made.status("app")["canaryWeight"] > 0)
    return made


def ask(rollouts: Rollouts, verb: str, revision: str = "") -> dict[str, str]:
    """Annotate the canary, wait until the annotation is gone, and give the result."""
    text = f"{verb}@{revision or rollouts.status('app')['lastAppliedSpec']}"
    rollouts.cluster.kubectl("-n", rollouts.namespace, "annotate", "canary", "app", f"serin.dev/request={text}")

    def is_answered() -> bool:
        return "serin.dev/request" not in (rollouts.get("canary", "app")["metadata"].get("annotations") or {})

    rollouts.wait_for("the request is answered", is_answered, deadline_s=20)
    result: dict[str, str] = rollouts.status("app")["serin"]["request"]
    assert f"{result['verb']}@{result['revision']}" == text
    return result


def primary_image(rollouts: Rollouts) -> str:
    containers = rollouts.get("deployment", "app-primary")["spec"]["template"]["spec"]["containers"]
    return str(containers[0]["image"])


def test_promote_ends_the_analysis_now(rollouts: Rollouts) -> None:
    assert ask(rollouts, "promote")["result"] == "accepted"
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=40)
    assert primary_image(rollouts).endswith(":3.1.1")


@pytest.mark.long
def test_abort_rolls_back_and_retry_runs_the_same_revision_again(rollouts: Rollouts) -> None:
    assert ask(rollouts, "abort")["result"] == "accepted"
    rollouts.wait_for_phase("app", "Failed")
    assert rollouts.status("app")["canaryWeight"] == 0
    assert primary_image(rollouts).endswith(":3.1.0")
    assert ask(rollouts, "retry")["result"] == "accepted"
    rollouts.wait_for("it has traffic again", lambda: rollouts.status("app")["canaryWeight"] > 0)
    assert ask(rollouts, "promote")["result"] == "accepted"
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=40)
    assert primary_image(rollouts).endswith(":3.1.1")


@pytest.mark.long
def test_pause_holds_the_weight_and_resume_lets_it_grow(rollouts: Rollouts) -> None:
    assert ask(rollouts, "pause")["result"] == "accepted"
    paused = rollouts.status("app")
    assert paused["serin"]["paused"] is True

    def has_checked_since() -> bool:
        return bool(rollouts.status("app")["serin"]["lastDecisiveAt"] > paused["serin"]["lastDecisiveAt"])

    for _ in range(2):
        rollouts.wait_for("checks go on", has_checked_since)
        paused["serin"]["lastDecisiveAt"] = rollouts.status("app")["serin"]["lastDecisiveAt"]
    assert rollouts.status("app")["canaryWeight"] == paused["canaryWeight"]
    assert ask(rollouts, "resume")["result"] == "accepted"
    rollouts.wait_for("it grows", lambda: rollouts.status("app")["canaryWeight"] > paused["canaryWeight"])


@pytest.mark.long
def test_a_request_about_another_revision_is_refused_by_name(rollouts: Rollouts) -> None:
    revision = rollouts.status("app")["lastAppliedSpec"]
    result = ask(rollouts, "abort", "0123456789abcdef")
    assert (result["result"], result["why"]) == ("refused", f"abort@{revision}")
    message = (
        f"Canary {rollouts.namespace}/app metadata.annotations[serin.dev/request]: "
        f"found 'abort@0123456789abcdef' of {result['by']}; allowed: abort@{revision}"
    )
    rollouts.wait_for("its event", lambda: ("Warning", message) in rollouts.events("app"))
    assert rollouts.status("app")["phase"] == "Progressing"
