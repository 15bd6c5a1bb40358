"""New Relic as a metric server. Source: New Relic's documentation of the Insights query API."""

from typing import ClassVar

from aiohttp import web

from tests.support.metric_servers.server import FakeMetricServer, json_number


class FakeNewRelic(FakeMetricServer):
    """Takes NRQL with a query key of an account."""

    type = "newrelic"
    address = "https://insights-api.eu.newrelic.com"
    query = "SELECT percentage(count(*), WHERE error IS true) FROM Transaction WHERE appName = '{{ target }}'"
    secret: ClassVar = {"newrelic_account_id": "1234567", "newrelic_query_key": "first-query-key"}
    rotated: ClassVar = {"newrelic_account_id": "1234567", "newrelic_query_key": "second-query-key"}

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        if request.headers.get("X-Query-Key") != self.accepted["newrelic_query_key"]:
            return web.json_response({"error": "Unknown API key"}, status=403)
        if request.path != f"/v1/accounts/{self.accepted['newrelic_account_id']}/query" or request.method != "GET":
            return web.json_response({"error": "Not found"}, status=404)
        nrql = request.query.get("nrql", "")
        if not nrql.startswith("SELECT ") or nrql.count(" SINCE ") > 1 or nrql.count("'") % 2:
            return web.json_response({"error": "NRQL Syntax Error: Error at line 1 position 8"}, status=400)
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        results = ", ".join(f'{{"result": {json_number(one)}}}' for one in self.series)
        text = f'{{"results": [{results}], "metadata": {{"rawSince": "60 SECONDS AGO"}}}}'
        return web.Response(text=text, content_type="application/json")
