"""`python -m tests.fuzz.reviews CORPUS [libFuzzer's options]`: fuzzes the webhook's path from bytes to bytes.

Each input goes to every entry. What must hold: a status of 200 with a valid AdmissionReview, or 400 with a text, within
the time that the API server waits (of our CPU: the machine may have other work). libFuzzer itself watches for an answer
that never comes (-timeout) and memory (-rss_limit_mb). Most mutations are of JSON's values and not of its
bytes, or nearly every input would end in the parser.
"""

import base64
import json
import logging
import random
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import atheris

with atheris.instrument_imports(include=["canary", "render", "webhook"]):
    from kube.store import Change, Key
    from tests.support.long_values import LONG
    from webhook.canary_index import CanaryIndex
    from webhook.context import AdmissionContext
    from webhook.handling import handle_review
    from webhook.main import ENTRIES

# The API server sends workloads in their shape only: of what has another it is enough that it passes.
_TYPED = frozenset({"/mutate/workloads"})
_WAITED_S = 2.0

_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        101,
        1.5,
        2**53,
        -(2**63),
        "",
        "a",
        "\x00",
        "ö" * 300,
        "0s",
        "1h1m",
        "-5s",
        "9" * 400,
    ),
    *(
        "http://[",
        "https://a.b/c",
        "{{ interval }}",
        "{{ variables.x }}",
        "sum(",
        "(?=a)",
        "a" * 5000,
        "../x",
        "x/y:1@z",
    ),
    *(
        [],
        {},
        [None],
        [[]],
        [{}],
        {"": None},
        {"a": {"b": [1, "2"]}},
        {"name": "podinfo"},
        {"exact": "1", "regex": "("},
    ),
    *(
        "CREATE",
        "UPDATE",
        "DELETE",
        "Deployment",
        "Canary",
        "podinfo",
        "podinfo-primary",
        "gloo",
        "istio",
        "Progressing",
    ),
)

_SHARE_OF_LONG = 0.1
_SHARE_OF_BYTES = 0.1
_SHARE_OF_LOSSES = 0.2


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


def check(body: bytes, context: AdmissionContext) -> None:
    """Send a body to every entry. Raises AssertionError when an answer is none, or comes too late."""
    for path, handler in ENTRIES.items():
        started_s = time.process_time()
        reply = handle_review(body, handler, context)
        spent_s = time.process_time() - started_s
        assert spent_s < _WAITED_S, f"{path}: {spent_s:.1f} s"
        if reply.status == HTTPStatus.BAD_REQUEST:
            assert reply.body.strip(), f"{path}: 400 without a word"
            continue
        assert reply.status == HTTPStatus.OK, f"{path}: {reply.status}"
        assert reply.outcome != "failed" or path in _TYPED, f"{path}: an error of ours"
        _check_answer(body, reply.body)


def _check_answer(body: bytes, answer: bytes) -> None:
    review = json.loads(answer)
    response = review["response"]
    assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert response["uid"] == json.loads(body)["request"]["uid"]
    if "patch" in response:
        assert response["allowed"], "a refusal has no patch"
        assert all(operation["op"] for operation in json.loads(base64.b64decode(response["patch"])))
    assert response["allowed"] or response["status"]["message"], "a refusal has its reason"


def mutate(body: bytes, max_size: int, seed: int) -> bytes:
    """Change a value somewhere in the JSON; now and then, and where there is no JSON, some bytes."""
    chance = random.Random(seed)  # noqa: S311  libFuzzer's own seed: a run can be repeated
    try:
        tree = {"": json.loads(body)}
    except (ValueError, RecursionError):
        tree = {}
    if not tree or chance.random() < _SHARE_OF_BYTES:
        mutated: bytes = atheris.Mutate(body, max_size)
        return mutated
    holder, key = chance.choice(list(_places(tree)))
    if chance.random() < _SHARE_OF_LOSSES and key != "":
        del holder[key]
    else:
        holder[key] = chance.choice(LONG if chance.random() < _SHARE_OF_LONG else _VALUES)
    return json.dumps(tree[""]).encode()[:max_size]


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Return every place of a value, as its holder and its key or position."""
    entries = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for key, value in entries:
        yield holder, key
        if isinstance(value, dict | list):
            yield from _places(value)


def main() -> None:
    """Hand over to libFuzzer; it ends the process."""
    context = _context()
    logging.disable(logging.CRITICAL)
    atheris.Setup(sys.argv, lambda body: check(body, context), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
