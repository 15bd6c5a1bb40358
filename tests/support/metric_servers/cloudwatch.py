"""Amazon CloudWatch as a metric server. Sources: the API reference of GetMetricData, and AWS' pages on signed requests.

The signature is worked out here once more, from the request as it arrived.
"""

import hashlib
import hmac
import math
import re
from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
from aiohttp import web

from tests.support.metric_servers.server import INTERVAL_S, NOW_S, FakeMetricServer, Number

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>\w+)/(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>\w+)/aws4_request, "
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)
_CLOCKS_S = 15 * 60


class FakeCloudWatch(FakeMetricServer):
    """Takes GetMetricData in AWS' JSON protocol, signed with temporary keys."""

    type = "cloudwatch"
    address = ""
    own_address = "https://monitoring.eu-west-1.amazonaws.com"
    provider: ClassVar = {"region": "eu-west-1"}
    query = """[
        {"Id": "rate", "Expression": "errors / requests * 100"},
        {"Id": "errors", "ReturnData": false, "MetricStat": {"Stat": "Sum", "Period": 60,
         "Metric": {"Namespace": "Shop", "MetricName": "Errors", "Dimensions": [{"Name": "app", "Value": "x"}]}}},
        {"Id": "requests", "ReturnData": false, "MetricStat": {"Stat": "Sum", "Period": 60,
         "Metric": {"Namespace": "Shop", "MetricName": "Requests", "Dimensions": [{"Name": "app", "Value": "x"}]}}}
    ]"""
    secret: ClassVar = {
        "aws_access_key_id": "ASIAFIRST0EXAMPLE",
        "aws_secret_access_key": "first/secret+key",
    }
    rotated: ClassVar = {
        "aws_access_key_id": "ASIASECOND0EXAMPLE",
        "aws_secret_access_key": "second/secret+key",
    }
    window_s = 10 * INTERVAL_S

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
        if found is None:
            return _error(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if found["id"] != self.accepted["aws_access_key_id"]:
            return _error(400, "UnrecognizedClientException", "The security token in the request is invalid.")
        if request.headers.get("X-Amz-Security-Token", "") != self.accepted.get("aws_session_token", ""):
            return _error(400, "UnrecognizedClientException", "The security token in the request is invalid.")
        moment = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(moment.timestamp() - NOW_S) > _CLOCKS_S:
            return _error(400, "InvalidSignatureException", "Signature expired")
        is_scoped = (found["day"], found["region"], found["service"]) == (f"{moment:%Y%m%d}", "eu-west-1", "monitoring")
        if not is_scoped or found["signature"] != await self._signature(request, found):
            return _error(403, "InvalidSignatureException", "The request signature we calculated does not match.")
        if request.headers.get("X-Amz-Target") != "GraniteServiceVersion20100801.GetMetricData":
            return _error(400, "UnknownOperationException", "")
        if request.content_type != "application/x-amz-json-1.0":
            return _error(404, "UnknownOperationException", "")
        return self._refuse_queries(orjson.loads(await request.read()))

    async def _signature(self, request: web.Request, found: re.Match[str]) -> str:
        """Return the signature that the request must have: AWS' steps 1 to 4."""
        names = found["names"].split(";")
        assert {"host", "x-amz-date"} <= set(names)
        headers = "".join(f"{name}:{request.headers[name]}\n" for name in names)
        payload = hashlib.sha256(await request.read()).hexdigest()
        canonical = f"{request.method}\n{request.path}\n\n{headers}\n{found['names']}\n{payload}"
        scope = f"{found['day']}/{found['region']}/{found['service']}/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{request.headers['X-Amz-Date']}\n{scope}\n{hashed}"
        key = b"AWS4" + self.accepted["aws_secret_access_key"].encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()

    def _refuse_queries(self, body: dict[str, Any]) -> web.Response | None:
        if (body["StartTime"], body["EndTime"]) != (int(NOW_S - self.window_s), int(NOW_S)):
            return _error(400, "ValidationError", "another window was meant")
        ids = [query.get("Id", "") for query in body["MetricDataQueries"]]
        if not ids or not all(re.fullmatch(r"[a-z]\w*", text) for text in ids) or len(set(ids)) < len(ids):
            return _error(400, "ValidationError", "The ids of the queries must be unique, and begin with a letter.")
        if any(("Expression" in query) == ("MetricStat" in query) for query in body["MetricDataQueries"]):
            return _error(400, "ValidationError", "A query must have either an expression or a statistic.")
        if not any(query.get("ReturnData", True) for query in body["MetricDataQueries"]):
            return _error(400, "ValidationError", "At least one query must return data.")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = orjson.loads(await request.read())
        # Newest first, with an older one behind; cut and turned round as it was asked for.
        series = [[_spelled(value), 77.0] for value in self.series] or [[]]
        results = []
        for n, values in enumerate(series):
            points = [(int(NOW_S) - 60 * k, value) for k, value in enumerate(values)]
            if asked.get("ScanBy", "TimestampDescending") == "TimestampAscending":
                points.reverse()
            points = points[: asked.get("MaxDatapoints", 100_800)]
            results.append(
                {
                    "Id": f"e{n}",
                    "Label": f"e{n}",
                    "Timestamps": [at_s for at_s, _ in points],
                    "Values": [value for _, value in points],
                    "StatusCode": "Complete",
                }
            )
        body = orjson.dumps({"MetricDataResults": results, "Messages": []})
        return web.Response(body=body, content_type="application/x-amz-json-1.0")


def _spelled(value: Number) -> Number:
    """Spell what is no finite number as AWS' JSON does."""
    if isinstance(value, str) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _error(status: int, kind: str, message: str) -> web.Response:
    body = orjson.dumps({"__type": f"com.amazon.coral.service#{kind}", "message": message})
    return web.Response(status=status, body=body, content_type="application/x-amz-json-1.0")
