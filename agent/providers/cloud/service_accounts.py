"""Google's service accounts: an access token for the key of one, or for the agent's own where Google lends it one.

Source: "Using OAuth 2.0 for Server to Server Applications" (a signed JWT for a token), and "About VM metadata" of
Google Cloud's documentation, which Workload Identity on GKE serves to pods.
"""

import asyncio
import base64
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent.providers.cloud.fresh import Fresh, Lent
from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.exchange import Answer, Exchange

SCOPE: Final = "https://www.googleapis.com/auth/monitoring.read"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_HOUR_S: Final = 3600
_METADATA_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"
_METADATA: Final = {"Metadata-Flavor": "Google"}

_MOST_KEY_CHARS: Final = 4096
"""Of a private key in PEM, one of 4096 bits has 3272: to read a key takes time that grows fast with its length."""

_MOST_TOKENS: Final = 1_000


@dataclass(frozen=True, slots=True)
class ServiceAccountKey:
    """The JSON file that Google makes for a key."""

    client_email: str
    token_uri: str
    private_key_id: str
    private_key: str = field(repr=False)


class AccessTokens:
    """Access tokens by the key that they were had for, which is all that lets anybody have one."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[bytes, Fresh[str]] = OrderedDict()
        # Reading a key takes up to half a second of a processor: one at a time, whoever's they are.
        self._reading = asyncio.Lock()

    async def of(self, exchange: Exchange, key_json: str, where: str, now_s: float) -> str:
        """Return a token for a service account's key. `where` names the key in errors.

        Raises:
            ProviderRefused: the key is none, or no valid one.
            ProviderUnavailable: its token_uri gives no answer.
        """
        key = read_key(key_json, where)
        fresh = self._tokens.setdefault(_digest(key_json), Fresh())
        self._tokens.move_to_end(_digest(key_json))
        while len(self._tokens) > _MOST_TOKENS:
            self._tokens.popitem(last=False)
        return await fresh.value(now_s, lambda: self._exchanged(exchange, key, where, now_s))

    async def _exchanged(self, exchange: Exchange, key: ServiceAccountKey, where: str, now_s: float) -> Lent[str]:
        """Ask the token_uri of a key for a token; it is a user's address as any other."""
        async with self._reading:
            # The interpreter is free meanwhile.
            assertion = await asyncio.to_thread(_assertion, key, where, int(now_s))
        answer = await exchange.send("POST", key.token_uri, form={"grant_type": _GRANT, "assertion": assertion})
        if answer.status == HTTPStatus.BAD_REQUEST and _said(answer):
            raise exchange.credentials_refused(f"HTTP {answer.status} {_said(answer)} of its token_uri")
        exchange.check(answer)
        return _lent(exchange, answer, now_s)

    def forget(self, key_json: str) -> None:
        """Let the token for a key go, for it is refused."""
        self._tokens.pop(_digest(key_json), None)


def _digest(key_json: str) -> bytes:
    return hashlib.sha256(key_json.encode()).digest()


def read_key(key_json: str, where: str) -> ServiceAccountKey:
    """Read a service account's key.

    Raises:
        ProviderRefused: it is none.
    """
    try:
        found = orjson.loads(key_json)
    except orjson.JSONDecodeError as error:
        raise ProviderRefused(f"{where}: found no JSON; allowed: the JSON file of a service account's key") from error
    if not isinstance(found, dict) or found.get("type") != "service_account":
        raise ProviderRefused(f"{where}: found another file; allowed: the JSON file of a service account's key")
    for name in ("client_email", "token_uri", "private_key"):
        if not isinstance(found.get(name), str) or not found[name]:
            raise ProviderRefused(f"{where}: found no {name} in it; allowed: the JSON file as Google made it")
    if not found["token_uri"].startswith(("https://", "http://")):
        raise ProviderRefused(f"{where}: found a token_uri that is no URL; allowed: the JSON file as Google made it")
    key_id = found.get("private_key_id")
    return ServiceAccountKey(
        found["client_email"], found["token_uri"], key_id if isinstance(key_id, str) else "", found["private_key"]
    )


def _assertion(key: ServiceAccountKey, where: str, now_s: int) -> str:
    header = {"alg": "RS256", "typ": "JWT"} | ({"kid": key.private_key_id} if key.private_key_id else {})
    claims = {"iss": key.client_email, "scope": SCOPE, "aud": key.token_uri, "iat": now_s, "exp": now_s + _HOUR_S}
    signed = b".".join(map(_encoded, (orjson.dumps(header), orjson.dumps(claims))))
    signature = _private_key(key.private_key, where).sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return (signed + b"." + _encoded(signature)).decode()


def _private_key(pem: str, where: str) -> rsa.RSAPrivateKey:
    allowed = "allowed: an RSA key in PEM, of at most 4096 bits, as Google makes them"
    if len(pem) > _MOST_KEY_CHARS:
        raise ProviderRefused(f"{where} private_key: found {len(pem)} characters; {allowed}")
    try:
        found = load_pem_private_key(pem.encode(), None)
    except (TypeError, UnsupportedAlgorithm, ValueError) as error:
        raise ProviderRefused(f"{where} private_key: found what can't be read; {allowed}") from error
    if not isinstance(found, rsa.RSAPrivateKey):
        raise ProviderRefused(f"{where} private_key: found another kind of key; {allowed}")
    return found


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _said(answer: Answer) -> str:
    """Return the error of OAuth 2.0 that an answer has: one of its words, such as invalid_grant."""
    known = {"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope"}
    try:
        error = orjson.loads(answer.body)["error"]
    except (KeyError, TypeError, orjson.JSONDecodeError):
        return ""
    return error if isinstance(error, str) and error in known else ""


def _lent(exchange: Exchange, answer: Answer, now_s: float) -> Lent[str]:
    body: Any = exchange.read_json(answer)
    try:
        token, lasts_s = body["access_token"], float(body["expires_in"])
    except (KeyError, TypeError, ValueError) as error:
        raise exchange.refused("not an access token of OAuth 2.0") from error
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise exchange.refused("not an access token of OAuth 2.0")
    return Lent(token, now_s + min(lasts_s, _HOUR_S))


def metadata_address(environment: Mapping[str, str]) -> str:
    """Return where Google's metadata server is; the variable is that of Google's own libraries."""
    return f"http://{environment.get('GCE_METADATA_HOST') or 'metadata.google.internal'}"


async def own_token(exchange: Exchange, now_s: float) -> Lent[str]:
    """Ask the metadata server for a token of the agent's own service account.

    Raises:
        ProviderUnavailable: it is not there, as outside of Google Cloud, or lends none.
    """
    try:
        answer = await exchange.send("GET", _METADATA_PATH, params={"scopes": SCOPE}, headers=_METADATA)
        exchange.check(answer)
    except ProviderRefused as error:
        # No user can mend it, and the operator may.
        raise ProviderUnavailable(str(error)) from error
    return _lent(exchange, answer, now_s)
