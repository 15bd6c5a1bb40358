"""Alerts on the cluster: a chat inside it gets each message of a run once, with the reason."""

import pytest

from tests.support.cluster import Cluster
from tests.support.incoming_hook import ALERTS, INITIALIZED, PROMOTED, STARTED, IncomingHook, start_chat
from tests.support.rollout import Rollouts, canary, podinfo


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@pytest.fixture
def chat(rollouts: Rollouts) -> IncomingHook:
    return start_chat(rollouts)


def test_a_promotion_arrives_once_for_each_of_its_moves(rollouts: Rollouts, chat: IncomingHook) -> None:
    rollouts.apply(podinfo("app"), canary("app", ALERTS))
    chat.wait_for(INITIALIZED)
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    chat.wait_for(INITIALIZED, STARTED, PROMOTED)
    kept = rollouts.status("app")["serin"]["history"]
    assert [entry["outcome"] for entry in kept] == ["promoted", "promoted"]
    # By these the release before is found again.
    assert rollouts.revisions_of_primary("app") == {"3.1.1": kept[0]["revision"], "3.1.0": kept[1]["revision"]}
    started = chat.messages()[1]
    assert (started["channel"], started["username"]) == ("deployments", "flagger")
    assert started["attachments"][0]["author_name"] == f"app.{rollouts.namespace}"
    assert {field["title"]: field["value"] for field in started["attachments"][0]["fields"]} == {
        "Revision": kept[0]["revision"],
        "Change": "podinfod image 3.1.0 -&gt; 3.1.1",  # as Slack wants it escaped
        "Applied by": "admin",
        "Target": f"Deployment/app.{rollouts.namespace}",
        "Failed checks threshold": "3",
        "Progress deadline": "600s",
        "Traffic routing": "Weight step: 25 max: 50",
    }


def test_a_rollback_arrives_once_with_its_reason(rollouts: Rollouts, chat: IncomingHook) -> None:
    failing = {"metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "onNoData": "fail"}]}
    rollouts.apply(podinfo("app"), canary("app", ALERTS | failing))
    chat.wait_for(INITIALIZED)
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Failed", deadline_s=90)
    chat.wait_for(INITIALIZED, STARTED, "Failed checks threshold reached 3")
    attachment = chat.messages()[-1]["attachments"][0]
    assert attachment["color"] == "danger"
    fields = {field["title"]: field["value"] for field in attachment["fields"]}
    assert fields.keys() == {"Reason", "Revision", "Change", "Applied by"}
    assert "no values found for" in fields["Reason"]
    # The API server stores what has no value as it is written: a null in a list.
    (check,) = rollouts.status("app")["serin"]["checks"]
    assert [(sample["value"], sample["verdict"]) for sample in check["samples"]] == [(None, "fail")] * 3


@pytest.mark.long
def test_a_provider_that_does_not_exist_is_told_and_the_run_goes_on(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", ALERTS))
    rollouts.wait_for_phase("app", "Initialized")
    told = (
        f"Canary {rollouts.namespace}/app spec.analysis.alerts[0].providerRef.name: found 'on-call'; "
        f"allowed: the name of an AlertProvider in namespace {rollouts.namespace}"
    )
    rollouts.wait_for("a warning", lambda: any(told in text for kind, text in rollouts.events("app")))
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
