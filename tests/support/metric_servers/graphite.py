"""Graphite-web as a metric server. Source: Graphite 1.1's documentation of its render API."""

import base64
import re
from typing import ClassVar

from aiohttp import web

from tests.support.metric_servers.server import INTERVAL_S, NOW_S, FakeMetricServer, json_number

# Source: `getUnitString` of graphite-web's attime.py, and its grammar.
_UNITS = ("s", "min", "h", "d", "w", "mon", "y")
_OFFSET = re.compile(r"[-+]?[0-9]+([a-z]+)")
_INTERVAL = re.compile(r"'[-+]?[0-9]+([a-z]+)'")
_BARE_INTERVAL = re.compile(r",\s*[0-9]+[a-z]+\s*[,)]")


class FakeGraphite(FakeMetricServer):
    """Renders targets as JSON, with a user and a password. The last point has no value yet."""

    type = "graphite"
    address = "https://graphite.monitoring.example.com"
    query = "target=summarize(sumSeries(app.{{ target }}.errors), '{{ interval }}', 'sum')&from=-{{ interval }}"
    secret: ClassVar = {"username": "serin", "password": "first-password"}
    rotated: ClassVar = {"username": "serin", "password": "second-password"}

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        pair = f"{self.accepted['username']}:{self.accepted['password']}"
        if request.headers.get("Authorization") != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return web.Response(status=401, text="<html>Authorization Required</html>", content_type="text/html")
        if request.method not in {"GET", "POST"} or request.path.rstrip("/") != "/render":
            return web.Response(status=404, text="<html>Not Found</html>", content_type="text/html")
        for moment in (*request.query.getall("from", []), *request.query.getall("until", [])):
            unit = _OFFSET.fullmatch(moment)
            if unit is not None and not unit[1].startswith(_UNITS):
                return web.Response(status=400, text=f"Invalid offset unit '{unit[1]}'", content_type="text/html")
        for target in request.query.getall("target", []):
            if any(not unit.startswith(_UNITS) for unit in _INTERVAL.findall(target)):
                return web.Response(status=400, text="<html>Invalid interval</html>", content_type="text/html")
            if _BARE_INTERVAL.search(target):
                # It is the name of a metric: nothing is found of it, and nothing is no interval.
                return web.Response(status=500, text="<html>ZeroDivisionError</html>", content_type="text/html")
            if target.count("(") != target.count(")"):
                return web.Response(status=400, text="<html>Expected ')'</html>", content_type="text/html")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.query["format"] == "json"
        if not request.query.getall("target", []):
            return web.json_response([])
        start_s, end_s = int(NOW_S - INTERVAL_S), int(NOW_S)
        series = [
            f'{{"target": "app.{n}", "datapoints": [[99, {start_s}], [{json_number(one)}, {end_s - 20}], '
            f"[null, {end_s - 10}]]}}"
            for n, one in enumerate(self.series)
        ]
        return web.Response(text=f"[{', '.join(series)}]", content_type="application/json")
