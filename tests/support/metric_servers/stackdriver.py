"""Google Cloud Monitoring as a metric server, and the server that gives tokens for it.

Sources: `projects.timeSeries.query` of the API's reference, and "Using OAuth 2.0 for Server to Server Applications".
"""

import base64
import math
from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.metric_servers.server import NOW_S, FakeMetricServer, Number

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SCOPE = "https://www.googleapis.com/auth/monitoring.read"
TOKEN_URI = "https://oauth2.googleapis.com/token"

_KEYS = {name: rsa.generate_private_key(65537, 1024) for name in ("first", "second")}  # noqa: S505  quick to make


def _account(name: str) -> str:
    pem = _KEYS[name].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return orjson.dumps(
        {
            "type": "service_account",
            "project_id": "shop-prod",
            "private_key_id": name,
            "private_key": pem,
            "client_email": "serin@shop-prod.iam.gserviceaccount.com",
            "token_uri": TOKEN_URI,
        }
    ).decode()


class FakeStackdriver(FakeMetricServer):
    """Gives tokens for signed JWTs, and runs queries in MQL for those who have one that is still good.

    `now_s` is its own clock, `lasts_s` how long a token is good for, `given` counts them.
    """

    type = "stackdriver"
    address = ""
    other_hosts = ("oauth2.googleapis.com",)
    query = "fetch k8s_container | metric 'istio.io/service/server/response_latencies' | align delta(1m) | group_by []"
    secret: ClassVar = {"project": "shop-prod", "serviceAccountKey": _account("first")}
    rotated: ClassVar = {"project": "shop-prod", "serviceAccountKey": _account("second")}

    def __init__(self) -> None:
        super().__init__()
        self.now_s = NOW_S
        self.lasts_s = 3599
        self.given: dict[str, tuple[str, float]] = {}

    @property
    def _kid(self) -> str:
        return str(orjson.loads(self.accepted["serviceAccountKey"])["private_key_id"])

    async def refuse(self, request: web.Request) -> web.StreamResponse | None:
        if request.host == "oauth2.googleapis.com":
            return None if request.path == "/token" and request.method == "POST" else web.Response(status=404)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        kid, ends_at_s = self.given.get(token, ("", 0.0))
        if scheme != "Bearer" or kid != self._kid or ends_at_s <= self.now_s:
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if request.path != f"/v3/projects/{self.accepted['project']}/timeSeries:query":
            return _error(403, "PERMISSION_DENIED", "Permission monitoring.timeSeries.list denied.")
        query = orjson.loads(await request.read()).get("query", "")
        if "fetch" not in query:
            return _error(400, "INVALID_ARGUMENT", "Parse error in the query")
        return None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return self._token(await request.post())
        data = [{"labelValues": [], "pointData": self._points(value)} for value in self.series]
        body = {"timeSeriesDescriptor": {"pointDescriptors": [{"valueType": "DOUBLE"}]}, "timeSeriesData": data}
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    def _points(self, value: Number) -> list[dict[str, Any]]:
        """Return the points of a series, newest first, as the API does."""
        return [
            {"values": [{"doubleValue": found}], "timeInterval": {"startTime": _time(at_s), "endTime": _time(at_s)}}
            for found, at_s in ((_spelled(value), self.now_s), (77.0, self.now_s - 60))
        ]

    def _token(self, form: Any) -> web.Response:
        """Give a token for a JWT that one of the account's keys signed, for this server, in the last hour."""
        why = self._why_refused(str(form.get("assertion", "")))
        if form.get("grant_type") != _GRANT:
            return _oauth_error("unsupported_grant_type", "")
        if why:
            return _oauth_error("invalid_grant", why)
        token = f"ya29.{self._kid}{len(self.given)}"
        self.given[token] = (self._kid, self.now_s + self.lasts_s)
        body = {"access_token": token, "expires_in": self.lasts_s, "token_type": "Bearer"}
        return web.Response(body=orjson.dumps(body), content_type="application/json")

    def _why_refused(self, assertion: str) -> str:
        head, claims, signature = (_decoded(part) for part in assertion.split("."))
        kid, claimed = orjson.loads(head)["kid"], orjson.loads(claims)
        if kid != self._kid:
            return "Invalid JWT Signature."
        signed = assertion.rpartition(".")[0].encode()
        try:
            _KEYS[kid].public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return "Invalid JWT Signature."
        if not claimed["iat"] - 60 <= self.now_s < claimed["exp"] <= claimed["iat"] + 3600:
            return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        is_meant = (claimed["aud"], claimed["scope"]) == (TOKEN_URI, _SCOPE)
        return "" if is_meant else "Invalid JWT audience or scope."


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _spelled(value: Number) -> Number:
    """Spell what is no finite number as the JSON of protocol buffers does."""
    if isinstance(value, str) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _error(status: int, kind: str, message: str) -> web.Response:
    body = orjson.dumps({"error": {"code": status, "message": message, "status": kind}})
    return web.Response(status=status, body=body, content_type="application/json")


def _oauth_error(kind: str, why: str) -> web.Response:
    body = orjson.dumps({"error": kind, "error_description": why})
    return web.Response(status=400, body=body, content_type="application/json")
