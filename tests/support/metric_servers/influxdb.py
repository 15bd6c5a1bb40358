"""InfluxDB 2 as a metric server. Source: InfluxDB 2.7's API reference, and its "Annotated CSV"."""

import math
from typing import ClassVar

import orjson
from aiohttp import web

from tests.support.metric_servers.server import FakeMetricServer, Number


class FakeInfluxDB(FakeMetricServer):
    """Takes Flux with a token, for an organisation, and answers as annotated CSV."""

    type = "influxdb"
    address = "https://influxdb.monitoring.example.com:8086"
    query = (
        'from(bucket: "apps") |> range(start: -{{ interval }}) |> filter(fn: (r) => r.app == "{{ target }}") |> mean()'
    )
    secret: ClassVar = {"token": "first-token", "org": "platform"}
    rotated: ClassVar = {"token": "second-token", "org": "platform"}

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Authorization") != f"Token {self.accepted['token']}":
            return _error(401, "unauthorized", "unauthorized access")
        if request.path != "/api/v2/query" or request.method != "POST":
            return _error(404, "not found", "path not found")
        if request.query.get("org") != self.accepted["org"]:
            return _error(404, "not found", f'organization name "{request.query.get("org")}" not found')
        asked = orjson.loads(await request.read())
        if "|>" not in asked["query"] or asked["query"].count("(") != asked["query"].count(")"):
            return _error(400, "invalid", "compilation failed: error @1:1-1:4: expected RPAREN")
        if asked["dialect"]["annotations"] != ["datatype", "group", "default"]:
            return _error(400, "invalid", "unknown dialect")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind = "string" if any(isinstance(one, str) for one in self.series) else "double"
        lines = [
            f"#datatype,string,long,{kind},string",
            "#group,false,false,false,true",
            "#default,_result,,,",
            ",result,table,_value,app",
            *(f",,{n},{_spelled(one)},podinfo-{n}" for n, one in enumerate(self.series)),
            "",
        ]
        text = "\r\n".join(lines if self.series else []) + "\r\n"
        return web.Response(text=text, content_type="text/csv")


def _spelled(value: Number) -> str:
    if isinstance(value, str) or math.isfinite(value):
        return str(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status)
