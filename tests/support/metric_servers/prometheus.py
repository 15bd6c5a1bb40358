"""Prometheus as a metric server. Source: Prometheus' documentation of its HTTP API."""

import base64
import math
from typing import ClassVar

import orjson
from aiohttp import web

from tests.support.metric_servers.server import FakeMetricServer, Number


class FakePrometheus(FakeMetricServer):
    """Takes instant queries, with a user and a password."""

    type = "prometheus"
    address = "http://prometheus.monitoring:9090"
    query = 'sum(rate(http_requests_total{namespace="{{ namespace }}"}[{{ interval }}]))'
    secret: ClassVar = {"username": "serin", "password": "first"}
    rotated: ClassVar = {"username": "serin", "password": "second"}

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        pair = f"{self.accepted['username']}:{self.accepted['password']}"
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return web.Response(status=401, text="Unauthorized", headers={"WWW-Authenticate": "Basic"})
        if request.path != "/api/v1/query":
            return web.Response(status=404, text="404 page not found")
        if request.method not in {"GET", "POST"}:
            return web.Response(status=405)
        query = str((await request.post()).get("query") or request.query.get("query") or "")
        if query.count("(") != query.count(")") or not query:
            return _error(400, "bad_data", 'invalid parameter "query": parse error: unclosed left parenthesis')
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        result = [{"metric": {"n": str(n)}, "value": [1, _spelled(value)]} for n, value in enumerate(self.series)]
        data = {"resultType": "vector", "result": result}
        return web.Response(body=orjson.dumps({"status": "success", "data": data}), content_type="application/json")


def _spelled(value: Number) -> str:
    if isinstance(value, str) or math.isfinite(value):
        return str(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _error(status: int, kind: str, why: str) -> web.Response:
    body = orjson.dumps({"status": "error", "errorType": kind, "error": why})
    return web.Response(status=status, body=body, content_type="application/json")
