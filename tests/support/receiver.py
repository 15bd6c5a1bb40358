"""A pod that plays hook services in the cluster: its log shows every call, and it answers with the code asked for."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.rollout import Rollouts

_PROGRAM = """
import http.server, json, time

class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(json.dumps([time.time(), self.path, body]), flush=True)
        _, code, *rest = self.path.split("/")
        self.send_response(int(code))
        self.send_header("Serin-Hint", "so it is")
        self.end_headers()
        self.wfile.write(b"and that is secret")

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("", 8080), Hook).serve_forever()
"""


@dataclass(frozen=True)
class Receiver:
    """`url("gate", 403)` is a hook of that name that answers with that code."""

    rollouts: Rollouts

    def start(self) -> None:
        """Create the pod and its service, and wait until it answers."""
        container = {
            "name": "hook",
            "image": "serin-loadtester:0.2.0",
            "command": ["python", "-c", _PROGRAM],
            "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        }
        self.rollouts.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "receiver", "labels": {"app": "receiver"}},
                "spec": {"containers": [container]},
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "receiver"},
                "spec": {"selector": {"app": "receiver"}, "ports": [{"port": 80, "targetPort": 8080}]},
            },
        )
        kubectl = ("-n", self.rollouts.namespace, "wait", "--for=condition=Ready", "pod/receiver", "--timeout=30s")
        self.rollouts.cluster.kubectl(*kubectl)

    def url(self, name: str, code: int = 200) -> str:
        """Return the address of a hook."""
        return f"http://receiver.{self.rollouts.namespace}/{code}/{name}"

    def hook(self, kind: str, code: int = 200, **fields: Any) -> dict[str, Any]:
        """Return a webhook of a type, named like it."""
        return {"name": kind, "type": kind, "url": self.url(kind, code)} | fields

    def calls(self, name: str) -> list[dict[str, Any]]:
        """Return the bodies that a hook was called with, in order."""
        return [body for _, hook, body in self.all_calls() if hook == name]

    def all_calls(self) -> list[tuple[float, str, dict[str, Any]]]:
        """Return every call in order: when (in seconds since the epoch), which hook's, and its body."""
        log = self.rollouts.cluster.kubectl("-n", self.rollouts.namespace, "logs", "pod/receiver")
        received = (json.loads(line) for line in log.splitlines())
        return [(at_s, path.rpartition("/")[2], body) for at_s, path, body in received]
