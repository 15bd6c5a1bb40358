"""Alerts on the cluster: a chat inside it gets each message of a run once, with the reason, whoever dies meanwhile."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.rollout import Rollouts, canary, podinfo

PATH = "/services/T0001/B0001/hook-secret"
ALERTS = {"alerts": [{"name": "on-call", "providerRef": {"name": "on-call"}}]}

INITIALIZED = "New Deployment detected, initialization completed."
STARTED = "New revision detected, progressing canary analysis."
PROMOTED = "Canary analysis completed successfully, promotion finished."

# An incoming hook that shows what it takes as a line of its log.
HOOK = f"""
import http.server

class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_ours = self.path == "{PATH}"
        if is_ours:
            print(body.decode(), flush=True)
        self.send_response(200 if is_ours else 404)
        self.end_headers()
        self.wfile.write(b"ok" if is_ours else b"no_service")

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", 8080), Hook).serve_forever()
"""


@dataclass(frozen=True)
class Chat:
    """The hook's pod and what it took."""

    rollouts: Rollouts

    def messages(self) -> list[dict[str, Any]]:
        log = self.rollouts.cluster.kubectl("-n", self.rollouts.namespace, "logs", "pod/chat")
        return [json.loads(line) for line in log.splitlines()]

    def texts(self) -> list[str]:
        return [message["attachments"][0]["text"] for message in self.messages()]

    def wait_for(self, *texts: str, deadline_s: float = 90.0) -> None:
        """Wait for exactly these messages, in order."""
        self.rollouts.wait_for(f"as many messages as {texts}", lambda: len(self.texts()) >= len(texts), deadline_s)
        assert self.texts() == list(texts)


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@pytest.fixture
def chat(rollouts: Rollouts) -> Chat:
    """A chat, and the AlertProvider `on-call` that leads to it."""
    rollouts.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "chat", "labels": {"app": "chat"}},
            "spec": {
                "containers": [
                    {
                        "name": "hook",
                        "image": "serin-loadtester:0.2.0",
                        "command": ["python", "-c", HOOK],
                        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
                    }
                ]
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "chat"},
            "spec": {"selector": {"app": "chat"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hook"},
            "data": {"address": base64.b64encode(f"http://chat.{rollouts.namespace}{PATH}".encode()).decode()},
        },
        {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "AlertProvider",
            "metadata": {"name": "on-call"},
            "spec": {"type": "slack", "channel": "deployments", "secretRef": {"name": "hook"}},
        },
    )
    rollouts.cluster.kubectl("-n", rollouts.namespace, "wait", "--for=condition=Ready", "pod/chat", "--timeout=30s")
    return Chat(rollouts)


def test_a_promotion_arrives_once_for_each_of_its_moves(rollouts: Rollouts, chat: Chat) -> None:
    rollouts.apply(podinfo("app"), canary("app", ALERTS))
    chat.wait_for(INITIALIZED)
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    chat.wait_for(INITIALIZED, STARTED, PROMOTED)
    started = chat.messages()[1]
    assert (started["channel"], started["username"]) == ("deployments", "flagger")
    assert started["attachments"][0]["author_name"] == f"app.{rollouts.namespace}"
    assert {field["title"]: field["value"] for field in started["attachments"][0]["fields"]} == {
        "Change": "podinfod image 3.1.0 -&gt; 3.1.1",  # as Slack wants it escaped
        "Applied by": "admin",
        "Target": f"Deployment/app.{rollouts.namespace}",
        "Failed checks threshold": "3",
        "Progress deadline": "600s",
        "Traffic routing": "Weight step: 25 max: 50",
    }


def test_a_rollback_arrives_once_with_its_reason(rollouts: Rollouts, chat: Chat) -> None:
    failing = {"metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "onNoData": "fail"}]}
    rollouts.apply(podinfo("app"), canary("app", ALERTS | failing))
    chat.wait_for(INITIALIZED)
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Failed", deadline_s=90)
    chat.wait_for(INITIALIZED, STARTED, "Failed checks threshold reached 3")
    attachment = chat.messages()[-1]["attachments"][0]
    assert attachment["color"] == "danger"
    fields = {field["title"]: field["value"] for field in attachment["fields"]}
    assert fields.keys() == {"Reason", "Change", "Applied by"}
    assert "no values found for" in fields["Reason"]


def test_an_agent_that_is_killed_meanwhile_repeats_nothing(rollouts: Rollouts, chat: Chat) -> None:
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


def kill_agent(cluster: Cluster) -> None:
    """Kill the agent's process, inside the cluster's own process namespace; its pod starts another."""
    cluster.run("pkill", "-KILL", "-f", "^python -m agent --metrics-server")
