"""Inputs to begin with, by target."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.unit.canary.test_state import WRITTEN

_CSV: Final = "#datatype,string,long,double\r\n#default,_result,,\r\n,result,table,_value\r\n,,0,6.25\r\n"


def _review(kind: str, spec: dict[str, Any], operation: str = "UPDATE", **old: Any) -> dict[str, Any]:
    group, version = ("apps", "v1") if kind == "Deployment" else ("flagger.app", "v1beta1")
    obj = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": "podinfo", "namespace": "test"}}
    request = {
        "uid": "1",
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": f"{kind.lower()}s"},
        "namespace": "test",
        "name": "podinfo",
        "operation": operation,
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": obj | {"spec": spec},
        "oldObject": (obj | {"spec": spec | old}) if operation == "UPDATE" else None,
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _template(tag: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "podinfod", "image": f"podinfo:{tag}", "env": [{"name": "A"}]}]}}


def review_seeds() -> list[bytes]:
    """Return a review of each kind."""
    analysis = {
        "interval": "1m",
        "stepWeights": [1, 50],
        "iterations": 2,
        "match": [{"headers": {"x": {"regex": "a.*"}}}],
        "metrics": [
            {"name": "request-success-rate", "thresholdRange": {"min": 99}},
            {"name": "q", "query": "up == 1"},
            {"name": "t", "templateRef": {"name": "a"}, "templateVariables": {"x": "b"}, "threshold": 1},
        ],
        "alerts": [{"name": "chat", "providerRef": {"name": "podinfo"}}],
        "webhooks": [{"name": "gate", "type": "confirm-rollout", "url": "http://a.b/"}],
    }
    canary = {
        "targetRef": {"kind": "Deployment", "name": "podinfo"},
        "autoscalerRef": {"kind": "HorizontalPodAutoscaler", "name": "podinfo"},
        "upstreamRef": {"kind": "Upstream", "name": "podinfo"},
        "service": {"port": 80, "headers": {"request": {"set": {"x": "%REQ(a)%"}}}},
        "analysis": analysis,
    }
    template = {"provider": {"type": "prometheus", "address": "http://p"}, "query": "sum(rate(x[{{ interval }}]))"}
    reviews = [
        _review("Deployment", {"template": _template("2")}, template=_template("1")),
        _review("Canary", canary, "CREATE"),
        _review("Canary", canary, service={"port": 81}),
        _review("MetricTemplate", {**template}, "CREATE"),
        _review("AlertProvider", {"type": "slack", "address": "https://a.b/"}, "CREATE"),
    ]
    return [json.dumps(review).encode() for review in reviews]


def stored_seeds() -> list[bytes]:
    """Return the same Canaries with all that a status may have."""
    reviews = map(json.loads, review_seeds())
    stored = [review for review in reviews if review["request"]["object"]["kind"] == "Canary"]
    for review in stored:
        review["request"]["object"]["status"] = WRITTEN
    return [*review_seeds(), *(json.dumps(review).encode() for review in stored)]


def answer_seeds() -> list[bytes]:
    """Return an answer of each kind that Prometheus gives, and one or two of each other type of server."""
    vector = {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1.5, "0.99"]}]}
    answers: list[Any] = [
        {"status": "success", "data": vector},
        {"status": "success", "data": {"resultType": "scalar", "result": [1.5, "NaN"]}},
        {"status": "success", "data": {"resultType": "matrix", "result": []}},
        {"status": "error", "errorType": "bad_data", "error": "parse error"},
        {"status": "ok", "series": [{"interval": 20, "pointlist": [[9_900_000.0, 1.5], [9_960_000.0, None]]}]},
        {"errors": ["unable to parse"]},
        {"results": [{"percentiles": {"95": 0.2}}]},
        {"facets": [{"name": "a", "results": [{"count": 3}]}]},
        [{"target": "t", "datapoints": [[1, 9900], [None, 9980]]}],
        {"resolution": "Inf", "result": [{"metricId": "m", "data": [{"timestamps": [1], "values": [1.5]}]}]},
        {"error": {"code": 400, "message": "violated", "constraintViolations": [{"message": "at 1"}]}},
        {"data": [{"tsId": "1", "value": 1.5}], "logicalTimestampMs": 1000},
        {"code": 400, "errorType": "ANALYTICS_PROGRAM_SYNTAX_ERROR", "message": "at 1"},
        {"items": [{"metricName": "jobs", "value": "1500m"}]},
        {"kind": "Status", "reason": "NotFound", "message": "no metric", "code": 404},
        {"MetricDataResults": [{"Id": "a", "Timestamps": [9_960], "Values": [1.5], "StatusCode": "Complete"}]},
        {"__type": "ValidationException", "message": "at 1"},
        {"timeSeriesData": [{"pointData": [_point("1970-01-01T02:46:00Z", 1.5), _point("1970-01-01T02:45:00Z", 2.5)]}]},
        {"error": {"status": "INVALID_ARGUMENT", "message": "at 1"}},
    ]
    return [_CSV.encode(), *(json.dumps(answer).encode() for answer in answers)]


def _point(end_time: str, value: float) -> dict[str, Any]:
    return {"values": [{"doubleValue": value}], "timeInterval": {"endTime": end_time}}


SEEDS: Final[Mapping[str, Callable[[], list[bytes]]]] = {
    "reviews": review_seeds,
    "stored": stored_seeds,
    "answers": answer_seeds,
}
