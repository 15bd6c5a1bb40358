"""AWS' Signature Version 4, as far as a POST or GET of one of its JSON or query services takes it.

Source: "Create a signed AWS API request" of the IAM user guide. tests/unit/agent/cloud/test_aws_signature.py has the
vectors that AWS published for it.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_END: Final = "aws4_request"
_UNRESERVED: Final = "-_.~"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """What signs a request. `session_token`, if any, belongs to temporary keys."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A request as it is sent, but for what the signature adds: `x-amz-date`, the session token, `authorization`."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def signed_headers(request: Unsigned, keys: AwsKeys, *, region: str, service: str, now_s: float) -> dict[str, str]:
    """Return all headers to send, Host among them: it is signed, so it must go out as it stands here."""
    moment = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers |= {"host": _host(request.url), "x-amz-date": moment}
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    scope = "/".join((moment[:8], region, service, _END))
    names = ";".join(sorted(headers))
    to_sign = "\n".join((_ALGORITHM, moment, scope, _sha256(_canonical(request, headers).encode())))
    signature = _hmac(_signing_key(keys.secret_access_key, scope), to_sign).hex()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _canonical(request: Unsigned, headers: Mapping[str, str]) -> str:
    url = urlsplit(request.url)
    names = sorted(headers)
    return "\n".join(
        (
            request.method,
            quote(url.path or "/", safe=f"/{_UNRESERVED}"),
            "&".join(
                sorted(
                    f"{_quoted(key)}={_quoted(value)}" for key, value in parse_qsl(url.query, keep_blank_values=True)
                )
            ),
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            "",
            ";".join(names),
            _sha256(request.body),
        )
    )


def _quoted(text: str) -> str:
    return quote(text, safe=_UNRESERVED)


def _host(url: str) -> str:
    """Return the Host of a URL as HTTP clients send it: without the port that its scheme means anyway."""
    parts = urlsplit(url)
    is_default = parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme))
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if is_default else f"{host}:{parts.port}"


def _signing_key(secret_access_key: str, scope: str) -> bytes:
    key = f"AWS4{secret_access_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
