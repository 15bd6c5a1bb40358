"""A chat inside the cluster: a pod that takes what alerts post, and shows it."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from tests.support.rollout import Rollouts

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
class IncomingHook:
    """The pod that plays the chat's incoming webhook, and what it took."""

    rollouts: Rollouts

    def messages(self) -> list[dict[str, Any]]:
        """Return what was posted, in order."""
        log = self.rollouts.cluster.kubectl("-n", self.rollouts.namespace, "logs", "pod/chat")
        return [json.loads(line) for line in log.splitlines()]

    def texts(self) -> list[str]:
        """Return the texts of what was posted, in order."""
        return [message["attachments"][0]["text"] for message in self.messages()]

    def wait_for(self, *texts: str, deadline_s: float = 90.0) -> None:
        """Wait for exactly these messages, in order."""
        self.rollouts.wait_for(f"as many messages as {texts}", lambda: len(self.texts()) >= len(texts), deadline_s)
        assert self.texts() == list(texts)


def start_chat(rollouts: Rollouts) -> IncomingHook:
    """Start a chat, and make the AlertProvider `on-call` that leads to it; return when it is ready."""
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
    return IncomingHook(rollouts)
