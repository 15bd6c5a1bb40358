"""The webhook's path from bytes to bytes: each input goes to every entry.

What must hold: a status of 200 with a valid AdmissionReview, or 400 with a text, within the time of a review.
"""

import base64
import json
import time
from http import HTTPStatus
from typing import Any, Final

from canary.api.bounds import MOST_REVIEW_S
from kube.json_text import loads
from kube.store import Change, Key
from webhook.canary_index import CanaryIndex
from webhook.context import AdmissionContext
from webhook.handling import handle_review
from webhook.main import ENTRIES

# The API server sends workloads in their shape only: of what has another it is enough that it passes.
_TYPED = frozenset({"/mutate/workloads"})


class Shelf:
    """The objects of one kind, all in namespace test."""

    def __init__(self, *names: str, **parts: Any) -> None:
        self._objects = {name: {"metadata": {"namespace": "test", "name": name}, **parts} for name in names}

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return one, or None."""
        return self._objects.get(name) if namespace == "test" else None

    def by_namespace(self, namespace: str) -> list[dict[str, Any]]:
        """Return all of a namespace."""
        return list(self._objects.values()) if namespace == "test" else []


def _context() -> AdmissionContext:
    """Return one with a canary, and with something of each kind that a canary may name."""
    spec = {"targetRef": {"kind": "Deployment", "name": "podinfo"}}
    canaries = Shelf("podinfo", spec=spec, status={"phase": "Succeeded"})
    index = CanaryIndex()
    for obj in canaries.by_namespace("test"):
        index.take(Change(Key("test", obj["metadata"]["name"]), None, obj))
    query = 'sum(rate(x{a="{{ variables.x }}"}[{{ interval }}]))'
    template = {"provider": {"type": "prometheus", "address": "http://p"}, "query": query}
    lookups = {
        "Canary": Shelf("podinfo", "other", spec=spec, status={"phase": "Succeeded"}),
        "MetricTemplate": Shelf("podinfo", "a", spec=template),
        "Deployment": Shelf("podinfo", portNames=["http"]),
        **{kind: Shelf("podinfo") for kind in ("DaemonSet", "HorizontalPodAutoscaler", "Upstream", "AlertProvider")},
    }
    return AdmissionContext(index, lookups)


CONTEXT: Final = _context()


def check(body: bytes) -> float:
    """Send a body to every entry, and return the seconds of our CPU that the slowest answer took.

    Raises AssertionError when an answer is none, or comes too late.
    """
    slowest_s = 0.0
    for path, handler in ENTRIES.items():
        started_s = time.process_time()
        reply = handle_review(body, handler, CONTEXT)
        spent_s = time.process_time() - started_s
        slowest_s = max(slowest_s, spent_s)
        assert spent_s < MOST_REVIEW_S, f"{path}: {spent_s:.1f} s"
        if reply.status == HTTPStatus.BAD_REQUEST:
            assert reply.body.strip(), f"{path}: 400 without a word"
            continue
        assert reply.status == HTTPStatus.OK, f"{path}: {reply.status}"
        assert reply.outcome != "failed" or path in _TYPED, f"{path}: an error of ours"
        _check_answer(body, reply.body)
    return slowest_s


def _check_answer(body: bytes, answer: bytes) -> None:
    review = json.loads(answer)
    response = review["response"]
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert response["uid"] == loads(body)["request"]["uid"]
    if "patch" in response:
        assert response["allowed"], "a refusal has no patch"
        assert all(operation["op"] for operation in json.loads(base64.b64decode(response["patch"])))
    assert response["allowed"] or response["status"]["message"], "a refusal has its reason"
