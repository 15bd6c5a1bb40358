"""Any bytes become a request or a clear refusal; every answer is a review that the API server can read."""

import base64
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.reviews import Object, canary_object, context_of, request, review
from webhook.context import AdmissionContext
from webhook.handling import FAILED, handle_review
from webhook.marking import mark_workload
from webhook.review import (
    ALLOWED,
    WARNING_CHARS,
    WARNINGS_CHARS,
    Answer,
    BadReview,
    Cause,
    Refusal,
    Request,
    fit_warnings,
    parse_review,
    render_review,
)
from webhook.validating import validate_canary

OBJECT: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "test", "name": "a"}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def as_object(value: object) -> Object:
    assert isinstance(value, dict)
    return value


def test_a_review_is_read_field_by_field() -> None:
    asked = review(OBJECT, OBJECT | {"spec": {}}, subresource="scale", user="bob")
    assert parse_review(orjson.dumps(asked)) == request(OBJECT, OBJECT | {"spec": {}}, subresource="scale", user="bob")


def test_a_dry_run_is_the_same_request_and_so_gets_the_same_answer() -> None:
    asked = [orjson.dumps(review(OBJECT, dry_run=dry_run)) for dry_run in (False, True)]
    assert asked[0] != asked[1]
    assert parse_review(asked[0]) == parse_review(asked[1])


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("apiVersion",), "admission.k8s.io/v1beta1", "apiVersion: found 'admission.k8s.io/v1beta1'; allowed: "),
        (("kind",), None, "kind: found None; allowed: 'AdmissionReview'"),
        (("request",), None, "request: found nothing; allowed: an object"),
        (("request",), [1], "request: found a list; allowed: an object"),
        (("request", "uid"), "", "uid: found ''; allowed: a string"),
        (("request", "uid"), 7, "uid: found 7; allowed: a string"),
        (("request", "operation"), "PATCH", "operation: found 'PATCH'; allowed: CREATE, UPDATE, DELETE, CONNECT"),
        (("request", "object"), "x", "object: found a string; allowed: an object"),
        (("request", "userInfo", "username"), {}, "username: found an object; allowed: a string"),
    ],
)
def test_a_review_with_a_fault_is_refused_with_field_found_and_allowed(
    path: tuple[str, ...], value: object, words: str
) -> None:
    asked = review(OBJECT)
    holder = asked
    for key in path[:-1]:
        holder = as_object(holder[key])
    holder[path[-1]] = value
    with pytest.raises(BadReview) as refused:
        parse_review(orjson.dumps(asked))
    assert words in str(refused.value)


def broken_handler(_: Request, __: AdmissionContext) -> Answer:
    raise RuntimeError("a bug")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_text(body: bytes) -> None:
    reply = handle_review(body, mark_workload, context_of())
    assert reply.status == 400
    assert reply.body.decode().strip()


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(review(OBJECT)["request"], json_values)), json_values)
def test_any_request_gives_a_review_or_a_refusal(parts: Object, spec: object) -> None:
    asked = review(OBJECT | {"spec": spec}, OBJECT)
    asked["request"] |= parts
    reply = handle_review(orjson.dumps(asked), mark_workload, context_of([]))
    assert reply.status in {200, 400}
    if reply.status == 200:
        response = orjson.loads(reply.body)["response"]
        assert (response["uid"], response["allowed"]) == (asked["request"]["uid"], True)


def test_an_error_of_the_handler_allows_with_a_warning() -> None:
    reply = handle_review(orjson.dumps(review(OBJECT)), broken_handler, context_of())
    response = orjson.loads(reply.body)["response"]
    assert (reply.status, reply.outcome, response["allowed"]) == (200, "failed", True)
    assert response["warnings"] == [FAILED]


def test_deep_nesting_is_no_way_to_crash() -> None:
    body = orjson.dumps(review(OBJECT)).replace(b'"options":', b'"deep":' + b"[" * 90_000 + b"]" * 90_000 + b',"o":')
    assert handle_review(body, mark_workload, context_of()).status == 200


@pytest.mark.parametrize("depth", [40, 300, 900, 1_100, 5_000])
@pytest.mark.parametrize("place", ["canary", "old canary"])
def test_a_canary_that_is_nested_too_deep_is_refused_by_its_place(depth: int, place: str) -> None:
    obj = canary_object(service={"port": 80, "trafficPolicy": "DEEP"})
    old = canary_object(service={"port": 80, "trafficPolicy": "DEEP" if place == "old canary" else {}})
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    body = orjson.dumps(review(obj, old)).replace(b'"DEEP"', deep)
    reply = handle_review(body, validate_canary, context_of())
    response = orjson.loads(reply.body)["response"]
    if place == "old canary":  # what is stored so already can be edited
        assert response["allowed"]
        return
    (cause,) = response["status"]["details"]["causes"]
    assert cause["field"].startswith("spec.service.trafficPolicy.a.a")
    assert "at most 32 objects and lists in each other" in cause["message"]


def test_a_body_of_a_million_values_is_not_even_parsed() -> None:
    body = orjson.dumps(review(OBJECT)).replace(b'"options":', b'"many":[' + b"{}," * 1_000_000 + b'{}],"o":')
    started_s = time.process_time()
    reply = handle_review(body, mark_workload, context_of())
    assert (reply.status, b"allowed: at most 200000" in reply.body) == (400, True)
    assert time.process_time() - started_s < 0.1


def test_a_patch_is_written_in_base64() -> None:
    answer = Answer(patch=({"op": "add", "path": "/metadata/annotations", "value": {"a": "é"}},), warnings=("careful",))
    written = orjson.loads(render_review("7", answer))
    assert (written["apiVersion"], written["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response = written["response"]
    assert {key: response[key] for key in ("uid", "allowed", "patchType", "warnings")} == {
        "uid": "7",
        "allowed": True,
        "patchType": "JSONPatch",
        "warnings": ["careful"],
    }
    assert orjson.loads(base64.b64decode(response["patch"])) == list(answer.patch)


def test_nothing_to_say_is_said_in_few_words() -> None:
    assert orjson.loads(render_review("7", ALLOWED))["response"] == {"uid": "7", "allowed": True}


def test_a_refusal_carries_its_causes_and_no_patch() -> None:
    refusal = Refusal("2 problems", (Cause("spec.analysis.interval", "found 'x'"),), "Canary", "podinfo")
    response: dict[str, Any] = orjson.loads(render_review("7", Answer(({"op": "x"},), ("w",), refusal)))["response"]
    assert "patch" not in response
    assert (response["allowed"], response["warnings"]) == (False, ["w"])
    assert response["status"] == {
        "status": "Failure",
        "code": 422,
        "reason": "Invalid",
        "message": "2 problems",
        "details": {
            "kind": "Canary",
            "name": "podinfo",
            "causes": [{"field": "spec.analysis.interval", "message": "found 'x'", "reason": "FieldValueInvalid"}],
        },
    }


def test_a_warning_becomes_one_line_that_fits() -> None:
    [line] = fit_warnings(["first\nsecond\x00" + "x" * 1000])
    assert line.startswith("first second x")
    assert len(line) == WARNING_CHARS
    assert line.endswith("...")


@given(st.lists(st.text(max_size=600), max_size=60))
def test_warnings_never_exceed_what_the_api_server_shows(warnings: list[str]) -> None:
    lines = fit_warnings(warnings)
    assert sum(map(len, lines)) <= WARNINGS_CHARS
    assert all(len(line) <= WARNING_CHARS and line.isprintable() for line in lines)


def test_warnings_that_do_not_fit_are_counted() -> None:
    lines = fit_warnings(["x" * 256] * 40)
    assert lines[-1] == f"and {40 - len(lines) + 1} more warnings"
