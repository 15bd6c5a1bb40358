"""Datadog as a metric server. Source: Datadog's API reference, "Query timeseries points"."""

from typing import ClassVar

from aiohttp import web

from tests.support.metric_servers.server import NOW_S, FakeMetricServer, json_number


class FakeDatadog(FakeMetricServer):
    """Takes queries with both keys. Of each series the oldest point is 99, and the newest is not whole yet."""

    type = "datadog"
    address = ""
    query = "avg:http.errors{kube_namespace:{{ namespace }},service:{{ target }}}.rollup(avg, 20)"
    secret: ClassVar = {"datadog_api_key": "first-api-key", "datadog_application_key": "first-application-key"}
    rotated: ClassVar = {"datadog_api_key": "second-api-key", "datadog_application_key": "second-application-key"}

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        headers = {"datadog_api_key": "DD-API-KEY", "datadog_application_key": "DD-APPLICATION-KEY"}
        if any(request.headers.get(header) != self.accepted[key] for key, header in headers.items()):
            return web.json_response({"errors": ["Forbidden"]}, status=403)
        if request.path != "/api/v1/query" or request.method != "GET":
            return web.json_response({"status": "404", "title": "Not Found"}, status=404)
        times = (request.query.get("from", ""), request.query.get("to", ""))
        if not all(one.isdecimal() for one in times) or not request.query.get("query"):
            return web.json_response({"errors": ["The parameter 'from' is required"]}, status=400)
        if request.query["query"].count("{") != request.query["query"].count("}"):
            words = "Error parsing query: unable to parse: Rule 'scope_expr' didn't match"
            return web.json_response({"errors": [words]}, status=400)
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        newest_ms = int(NOW_S - 10) * 1000
        series = [
            f'{{"interval": 20, "scope": "n:{n}", "pointlist": [[{newest_ms - 60_000}.0, 99], '
            f"[{newest_ms - 20_000}.0, {json_number(one)}], [{newest_ms}.0, 77]]}}"
            for n, one in enumerate(self.series)
        ]
        text = f'{{"status": "ok", "res_type": "time_series", "series": [{", ".join(series)}]}}'
        return web.Response(text=text, content_type="application/json")
