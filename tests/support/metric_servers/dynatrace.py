"""Dynatrace as a metric server. Source: Dynatrace's documentation of "Metrics API - GET metric data points"."""

from typing import ClassVar

import orjson
from aiohttp import web

from tests.support.metric_servers.server import INTERVAL_S, NOW_S, FakeMetricServer, json_number


class FakeDynatrace(FakeMetricServer):
    """Takes metric selectors, with a token that has the scope `metrics.read`. A point is null where nothing was."""

    type = "dynatrace"
    address = "https://abc12345.live.dynatrace.com"
    query = 'builtin:service.response.time:filter(eq("dt.entity.service",SERVICE-1)):splitBy():percentile(95)'
    secret: ClassVar = {"dynatrace_token": "dt0c01.FIRST.SECRET"}
    rotated: ClassVar = {"dynatrace_token": "dt0c01.SECOND.SECRET"}
    window_s = 10 * INTERVAL_S

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Authorization") != f"Api-Token {self.accepted['dynatrace_token']}":
            return _error(401, "Token Authentication failed")
        if request.path != "/api/v2/metrics/query":
            return _error(404, "HTTP 404 Not Found")
        if request.method != "GET":
            return _error(405, "HTTP 405 Method Not Allowed")
        selector = request.query.get("metricSelector", "")
        if not selector or selector != selector.strip() or selector.count("(") != selector.count(")"):
            return _error(400, "Constraints violated.", "metricSelector", "could not be parsed near position 1")
        window = (int((NOW_S - self.window_s) * 1000), int(NOW_S * 1000))
        if (int(request.query["from"]), int(request.query["to"])) != window or request.query["resolution"] != "Inf":
            return _error(400, "Constraints violated.", "from", "another window was meant")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        data = ",".join(
            f'{{"dimensions":["{n}"],"dimensionMap":{{"d":"{n}"}},"timestamps":[1],"values":[{json_number(value)}]}}'
            for n, value in enumerate(self.series)
        )
        result = f'[{{"metricId":"m","dataPointCountRatio":0.1,"dimensionCountRatio":0.1,"data":[{data}]}}]'
        body = f'{{"totalCount":1,"nextPageKey":null,"resolution":"Inf","result":{result}}}'
        return web.Response(text=body, content_type="application/json")


def _error(status: int, message: str, path: str = "", violation: str = "") -> web.Response:
    violations = [{"path": path, "message": violation, "parameterLocation": "QUERY"}] if path else []
    error = {"code": status, "message": message} | ({"constraintViolations": violations} if path else {})
    return web.Response(status=status, body=orjson.dumps({"error": error}), content_type="application/json")
