"""An API server that serves canaries as a cluster has them in the middle of their runs, from memory."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import yaml

_AT: Final = "2026-11-30T14:00:00Z"
_SAMPLES: Final = [{"at": _AT, "value": 99.98, "verdict": "pass"}] * 10
_CHECKS: Final = [
    {"name": "request-success-rate", "min": 99, "unit": "%", "samples": _SAMPLES},
    {"name": "request-duration", "max": 500, "unit": "ms", "samples": _SAMPLES},
]
_RUN: Final = {
    "revision": "9c0d11e4b7a63f2a",
    "change": "podinfod image 6.0.0 -> 6.0.1",
    "by": "alice@example.com",
    "startedAt": _AT,
    "endedAt": _AT,
    "outcome": "promoted",
}
_STATUS: Final[dict[str, Any]] = {
    "phase": "Progressing",
    "canaryWeight": 20,
    "failedChecks": 1,
    "lastAppliedSpec": "3f2a9c0d11e4b7a6",
    "lastPromotedSpec": "9c0d11e4b7a63f2a",
    "lastTransitionTime": _AT,
    "conditions": [{"type": "Ready", "status": "True", "reason": "Reconciling", "message": "It is valid and watched."}],
    "serin": {
        "change": {"revision": "3f2a9c0d11e4b7a6", "what": "podinfod image 6.0.1 -> 6.0.2", "by": "alice@example.com"},
        "checks": _CHECKS,
        "history": [_RUN] * 10,
    },
}


def canaries(example: Path, count: int) -> list[dict[str, Any]]:
    """Return so many copies of an example, each with all that a status keeps."""
    one = yaml.safe_load(example.read_text())
    return [
        {**one, "metadata": {**one["metadata"], "name": f"app{number:04}", "resourceVersion": "1"}, "status": _STATUS}
        for number in range(count)
    ]


@contextmanager
def serving(found: list[dict[str, Any]], folder: Path) -> Iterator[Path]:
    """Serve canaries, in pages; yield the kubeconfig that leads to them. Every other object is not there."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            name = url.path.rpartition("/")[2]
            start, limit = int(query.get("continue", 0)), int(query.get("limit", len(found)))
            if name == "canaries":
                more = {"continue": str(start + limit)} if start + limit < len(found) else {}
                self._answer(200, {"metadata": {"resourceVersion": "1"} | more, "items": found[start : start + limit]})
                return
            one = next((obj for obj in found if obj["metadata"]["name"] == name), None)
            gone = {"kind": "Status", "code": 404, "reason": "NotFound", "message": "no", "details": {"name": name}}
            self._answer(404 if one is None else 200, gone if one is None else one)

        def _answer(self, code: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the standard library names it
            """Say nothing: a terminal has the figures."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "test"}}],
        "current-context": "x",
    }
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    try:
        yield kubeconfig
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
