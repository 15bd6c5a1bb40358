"""A server of the External Metrics API. Source: `k8s.io/metrics`, external.metrics.k8s.io/v1beta1."""

import math
from typing import ClassVar

import orjson
from aiohttp import web

from tests.support.metric_servers.server import FakeMetricServer, Number

_API = "/apis/external.metrics.k8s.io/v1beta1/namespaces"


class FakeExternalMetrics(FakeMetricServer):
    """Knows one metric in each namespace, for those who have the token. A value is a quantity."""

    type = "externalmetrics"
    address = "https://external-metrics.monitoring:8443"
    query = "test/failed-jobs?labelSelector=app%3D{{ target }}%2Ctier%21%3Dtest"
    secret: ClassVar = {"token": "first-token"}
    rotated: ClassVar = {"token": "second-token"}
    namespace = "test"

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Authorization") != f"Bearer {self.accepted['token']}":
            return status(401, "Unauthorized", "Unauthorized")
        if request.method != "GET" or request.path != f"{_API}/{self.namespace}/failed-jobs":
            return status(404, "NotFound", f"no metric is served at {request.path}")
        if request.query.get("labelSelector") != "app=podinfo,tier!=test":
            return status(400, "BadRequest", "unable to parse requirement")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        items = [
            {
                "metricName": "failed-jobs",
                "metricLabels": {"n": str(n)},
                "timestamp": "2026-11-30T00:00:00Z",
                "value": text,
            }
            for n, text in enumerate(map(_quantity, self.series))
        ]
        kind = {"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {}}
        return web.Response(body=orjson.dumps(kind | {"items": items}), content_type="application/json")


def _quantity(value: Number) -> str:
    """Write a number as Kubernetes does: thousandths where it is no whole one. NaN and Inf have no quantity."""
    if isinstance(value, str) or not math.isfinite(value):
        return str(value)
    return f"{round(value)}" if value == round(value) else f"{round(value * 1000)}m"


def status(code: int, reason: str, message: str) -> web.Response:
    """Return the answer of the API server to what it does not take."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return web.Response(status=code, body=orjson.dumps(body), content_type="application/json")
