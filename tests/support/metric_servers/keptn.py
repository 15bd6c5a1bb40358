"""The API server of a cluster with Keptn. Source: Keptn's reference of `metrics.keptn.sh/v1beta1`."""

from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from tests.support.metric_servers.externalmetrics import status
from tests.support.metric_servers.playing import OWN_TOKEN
from tests.support.metric_servers.server import NOW_S, FakeMetricServer

_API = "/apis/metrics.keptn.sh/v1beta1/namespaces/test"


class FakeKeptn(FakeMetricServer):
    """Has one KeptnMetric, and completes each Analysis at the second look. It knows nobody but the agent.

    `analyses` are those that there are now, `made` what was ever made.
    """

    type = "keptn"
    address = ""
    is_addressed = False
    has_series = False
    query = "keptnmetric/test/failed-orders"

    def __init__(self) -> None:
        super().__init__()
        self.updated_s = NOW_S - 5
        self.failure = ""
        self.analyses: dict[str, dict[str, Any]] = {}
        self.made: list[dict[str, Any]] = []
        self.may_analyse = True
        self.looks_until_done = 2

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("Authorization") != f"Bearer {OWN_TOKEN}":
            return status(401, "Unauthorized", "Unauthorized")
        if not request.path.startswith((f"{_API}/keptnmetrics/", f"{_API}/analyses")):
            return status(403, "Forbidden", f"serin-agent cannot {request.method} {request.path}")
        if request.path.startswith(f"{_API}/analyses") and not self.may_analyse:
            return status(403, "Forbidden", "serin-agent cannot create resource analyses in API group metrics.keptn.sh")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        collection, _, name = request.path.removeprefix(f"{_API}/").partition("/")
        if collection == "analyses":
            return await self._analysis(request, name)
        if name != "failed-orders":
            return status(404, "NotFound", f'keptnmetrics.metrics.keptn.sh "{name}" not found')
        value = "" if not self.series else str(self.series[0]).replace("inf", "Inf")
        updated = datetime.fromtimestamp(self.updated_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = {"value": value, "lastUpdated": updated} | ({"errMsg": self.failure} if self.failure else {})
        return _object({"metadata": {"name": name, "namespace": "test"}, "status": found})

    async def _analysis(self, request: web.Request, name: str) -> web.Response:
        if request.method == "POST":
            made = orjson.loads(await request.read())
            self.analyses[made["metadata"]["name"]] = made
            self.made.append(made)
            return _object(made, code=201)
        if name not in self.analyses:
            return status(404, "NotFound", f'analyses.metrics.keptn.sh "{name}" not found')
        if request.method == "DELETE":
            return _object(self.analyses.pop(name))
        looks = sum(asked.path == request.path and asked.method == "GET" for asked in self.asked)
        is_done = looks >= self.looks_until_done
        passes = {"pass": True} if self.series and self.series[0] else {}
        state = {"state": "Completed", **passes} if is_done else {"state": "Progressing"}
        return _object(self.analyses[name] | {"status": state})


def _object(body: dict[str, Any], *, code: int = 200) -> web.Response:
    return web.Response(status=code, body=orjson.dumps(body), content_type="application/json")
