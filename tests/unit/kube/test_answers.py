"""Which error an answer stands for."""

from __future__ import annotations

import orjson
import pytest

from kube.answers import error_from_answer
from kube.errors import (
    AlreadyExists,
    Cause,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    PermanentError,
    Rejected,
    TransientError,
    Unauthorized,
    Unavailable,
)
from kube.resource import CONFIGMAPS, DEPLOYMENTS


def answer(code: int, reason: str, message: str = "no", **details: object) -> KubeError:
    status = {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    return error_from_answer(code, {}, orjson.dumps(status), resource=DEPLOYMENTS, namespace="test", name="podinfo")


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", PermanentError),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (422, "Invalid", Invalid),
        (400, "BadRequest", Invalid),
        (429, "TooManyRequests", Unavailable),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (504, "Timeout", Unavailable),
    ],
)
def test_code_and_reason_decide_the_class(code: int, reason: str, expected: type[KubeError]) -> None:
    error = answer(code, reason)
    assert type(error) is expected
    assert (error.status, error.reason) == (code, reason)


def test_a_conflict_is_neither_transient_nor_permanent() -> None:
    assert not isinstance(answer(409, "Conflict"), TransientError | PermanentError)


@pytest.mark.parametrize("code", [400, 403, 409, 422])
def test_a_denying_webhook_is_told_by_the_servers_words_whatever_code_it_chose(code: int) -> None:
    words = 'admission webhook "gloo.gloo-system.svc" denied the request: route has no destination'
    error = answer(code, "Invalid", words)
    assert type(error) is Rejected
    assert "route has no destination" in str(error)


def test_a_webhook_that_can_not_be_reached_is_transient() -> None:
    assert type(answer(500, "InternalError", 'failed calling webhook "x": refused')) is Unavailable


def test_an_invalid_object_names_its_fields() -> None:
    error = answer(422, "Invalid", causes=[{"field": "spec.replicas", "message": "must not be negative"}, {}])
    assert error.causes == (Cause("spec.replicas", "must not be negative"), Cause("", ""))


def test_the_wait_asked_for_is_the_longer_of_header_and_details() -> None:
    body = orjson.dumps({"kind": "Status", "code": 429, "details": {"retryAfterSeconds": 3}})
    for header, expected_s in [("7", 7.0), ("1", 3.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 3.0)]:
        error = error_from_answer(429, {"Retry-After": header}, body)
        assert isinstance(error, Unavailable)
        assert error.retry_after_s == expected_s
        assert error.is_without_effect


def test_a_server_error_may_have_had_its_effect() -> None:
    error = answer(500, "InternalError")
    assert isinstance(error, Unavailable)
    assert not error.is_without_effect


def test_an_answer_that_is_no_status_object_keeps_its_first_words() -> None:
    error = error_from_answer(502, {}, b"<html>\n Bad   Gateway" + b"x" * 10_000)
    assert type(error) is Unavailable
    assert error.message.startswith("<html> Bad Gateway")
    assert len(error.message) < 600


def test_the_message_names_the_object() -> None:
    assert str(answer(403, "Forbidden", "no rights")) == "Deployment test/podinfo: no rights (403 Forbidden)"
    assert str(error_from_answer(500, {}, b"oops", resource=CONFIGMAPS)) == "configmaps: oops (500)"
    listed = error_from_answer(500, {}, b"oops", resource=CONFIGMAPS, namespace="test")
    assert str(listed) == "configmaps of namespace test: oops (500)"


def test_a_kind_that_is_not_served_is_told_apart_from_a_missing_object() -> None:
    body = b"404 page not found"
    error = error_from_answer(404, {}, body, resource=DEPLOYMENTS, namespace="test", name="podinfo")
    assert type(error) is NotFound
    assert "does not serve deployments of apps/v1" in str(error)
    missing = answer(404, "NotFound", 'deployments.apps "podinfo" not found', name="podinfo")
    assert "does not serve" not in str(missing)
