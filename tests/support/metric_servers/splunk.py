"""Splunk Observability Cloud as a metric server. Source: Splunk's documentation of SignalFlow's API and messages."""

from typing import ClassVar

import orjson
from aiohttp import web

from tests.support.metric_servers.server import INTERVAL_S, NOW_S, FakeMetricServer, json_number

_TYPES = "text/plain"


class FakeSplunk(FakeMetricServer):
    """Runs programs, and streams what they publish: each message of several lines, as the real one writes JSON.

    It keeps the connection after the end, as a server of streams may.
    """

    type = "splunk"
    address = "https://api.us1.signalfx.com"
    other_hosts = ("stream.us1.signalfx.com",)
    query = "data('requests.errors', filter=filter('sf_service', '{{ target }}')).sum().publish()"
    secret: ClassVar = {"sf_token_key": "first-org-token"}
    rotated: ClassVar = {"sf_token_key": "second-org-token"}
    window_s = 10 * INTERVAL_S
    abort = ""

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("X-SF-Token") != self.accepted["sf_token_key"]:
            return _error(401, "Unauthorized", None)
        if request.host != "stream.us1.signalfx.com" or request.path != "/v2/signalflow/execute":
            return _error(404, "Not found", None)
        if request.method != "POST" or request.content_type != _TYPES:
            return _error(415, "Unsupported Media Type", None)
        program = await request.text()
        if "publish(" not in program:
            return _error(400, "nothing is published", "ANALYTICS_PROGRAM_NO_PUBLISH")
        if program.count("(") != program.count(")"):
            return _error(400, "unexpected end of the program", "ANALYTICS_PROGRAM_SYNTAX_ERROR")
        window = (str(int((NOW_S - self.window_s) * 1000)), str(int(NOW_S * 1000)), "true")
        if tuple(request.query.get(name) for name in ("start", "stop", "immediate")) != window:
            return _error(400, "another window was meant", "ANALYTICS_INVALID_WINDOW")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream;charset=UTF-8"})
        await response.prepare(request)
        await response.write(_message("control-message", '{"event" : "STREAM_START",\n"timestampMs" : 1}'))
        await response.write(_message("control-message", '{"event":"JOB_START","handle":"AAA","timestampMs":1}'))
        for n in range(len(self.series)):
            await response.write(_message("metadata", f'{{"tsId":"{n}","properties":{{"sf_metric":"m"}}}}'))
        for at_ms in (1000, 2000, 3000):
            await response.write(self._points(at_ms))
        end = f'{{"event":"{"CHANNEL_ABORT" if self.abort else "END_OF_CHANNEL"}","timestampMs":1'
        if self.abort:
            end += f',"abortInfo":{{"sf_job_abortState":"ABORTED","sf_job_abortReason":"{self.abort}"}}'
        await response.write(_message("control-message", end + "}"))
        await self.released.wait()
        return response

    def _points(self, at_ms: int) -> bytes:
        """Write one moment: values grow old at 1000, are the current ones at 2000, and not there yet at 3000."""
        values = {1000: ["77"] * len(self.series), 2000: list(map(json_number, self.series))}
        points = values.get(at_ms, ["null"] * len(self.series))
        data = ",\n".join(f'{{"tsId" : "{n}",\n"value" : {value}}}' for n, value in enumerate(points))
        return _message("data", f'{{"data" : [ {data} ],\n"logicalTimestampMs" : {at_ms},\n"maxDelayMs" : 1}}')


def _message(kind: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {kind}\nid: 1\n{lines}\n".encode()


def _error(status: int, message: str, kind: str | None) -> web.Response:
    body = orjson.dumps({"code": status, "context": {}, "errorType": kind, "message": message})
    return web.Response(status=status, body=body, content_type="application/json")
