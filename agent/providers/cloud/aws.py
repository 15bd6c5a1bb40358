"""AWS: where its services are, and the keys that the agent's own pod has there.

Those are, as in AWS' own libraries and in their order: keys in the environment; a role for the service account's token
(IRSA), by STS; what EKS Pod Identity's agent gives. The node's own role is not asked for: whoever gave it a right did
not mean every pod on it.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from agent.providers.cloud.aws_signature import AwsKeys
from agent.providers.cloud.fresh import Lent
from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.exchange import Answer, Exchange

KEY_ID: Final = "aws_access_key_id"
SECRET_KEY: Final = "aws_secret_access_key"  # noqa: S105  the key's name
SESSION_TOKEN: Final = "aws_session_token"  # noqa: S105  the key's name

# Source: the partitions of AWS' libraries. A region's first letters tell which it is of.
_SUFFIXES: Final = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
}
AWS_DOMAINS: Final = ("amazonaws.com", *sorted(_SUFFIXES.values()))
_VERSION: Final = "2011-06-15"
_FOREVER_S: Final = 1e12


def service_url(service: str, region: str, environment: Mapping[str, str]) -> str:
    """Return where a service is asked; the operator's variables for it are those of AWS' own libraries."""
    named = {"monitoring": "CLOUDWATCH", "sts": "STS"}[service]
    own = environment.get(f"AWS_ENDPOINT_URL_{named}") or environment.get("AWS_ENDPOINT_URL")
    suffix = next((suffix for begin, suffix in _SUFFIXES.items() if region.startswith(begin)), "amazonaws.com")
    return (own or f"https://{service}.{region}.{suffix}").rstrip("/")


def keys_of(credentials: Mapping[str, str]) -> AwsKeys:
    """Return the keys of a Secret."""
    return AwsKeys(
        access_key_id=credentials[KEY_ID],
        secret_access_key=credentials[SECRET_KEY],
        session_token=credentials.get(SESSION_TOKEN, ""),
    )


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """A role, and the file of the token that it is given for."""

    role: str
    token_file: str
    session: str
    region: str


@dataclass(frozen=True, slots=True)
class ContainerCredentials:
    """An address that gives keys to whoever shows the token of a file."""

    url: str
    token_file: str


Source = AwsKeys | WebIdentity | ContainerCredentials


def own_source(environment: Mapping[str, str]) -> Source | None:
    """Return where the pod's own keys come from; None where it has none."""
    if environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        return AwsKeys(
            access_key_id=environment["AWS_ACCESS_KEY_ID"],
            secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            session_token=environment.get("AWS_SESSION_TOKEN", ""),
        )
    if environment.get("AWS_ROLE_ARN") and environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return WebIdentity(
            role=environment["AWS_ROLE_ARN"],
            token_file=environment["AWS_WEB_IDENTITY_TOKEN_FILE"],
            session=environment.get("AWS_ROLE_SESSION_NAME") or "serin-agent",
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "",
        )
    if environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return ContainerCredentials(
            url=environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
            token_file=environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", ""),
        )
    return None


async def borrow(source: Source, exchange: Exchange) -> Lent[AwsKeys]:
    """Return the pod's own keys and their end. The address of the exchange is that of STS.

    Raises:
        ProviderUnavailable: they can't be had now. No user can mend it, so it is none of theirs that is refused.
    """
    try:
        match source:
            case AwsKeys():
                return Lent(source, _FOREVER_S)
            case WebIdentity():
                return await _assumed(source, exchange)
            case ContainerCredentials():
                return await _given(source, exchange)
    except ProviderRefused as error:
        raise ProviderUnavailable(str(error)) from error


async def _assumed(source: WebIdentity, exchange: Exchange) -> Lent[AwsKeys]:
    """Ask STS for the keys of a role; it wants no signature here, and its answer is XML."""
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": _VERSION,
        "RoleArn": source.role,
        "RoleSessionName": source.session,
        "WebIdentityToken": await _token(source.token_file),
    }
    answer = await exchange.send("POST", "/", form=form)
    exchange.check(answer, _said)
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    return _lent(exchange, {name: _element(answer.body, name) for name in names}, "SessionToken")


async def _given(source: ContainerCredentials, exchange: Exchange) -> Lent[AwsKeys]:
    headers = {"Authorization": await _token(source.token_file)} if source.token_file else {}
    answer = await exchange.send("GET", source.url, headers=headers)
    exchange.check(answer)
    return _lent(exchange, exchange.read_json(answer), "Token")


def _lent(exchange: Exchange, found: Any, token: str) -> Lent[AwsKeys]:
    try:
        keys = AwsKeys(
            access_key_id=str(found["AccessKeyId"]),
            secret_access_key=str(found["SecretAccessKey"]),
            session_token=str(found[token]),
        )
        return Lent(keys, datetime.fromisoformat(found["Expiration"]).timestamp())
    except (KeyError, TypeError, ValueError) as error:
        raise exchange.refused("it answers without keys") from error


async def _token(path: str) -> str:
    """Read a token, which is replaced in its file before it ends."""
    try:
        return (await asyncio.to_thread(Path(path).read_text)).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ProviderRefused(f"the agent's AWS token {path} can't be read: {error}") from error


def _element(xml: bytes, name: str) -> str | None:
    """Return the text of an element that stands for itself in STS' answers; none of them has escapes or children."""
    found = re.search(rb"<%s>([^<>&]{1,8192})</%s>" % (name.encode(), name.encode()), xml)
    return None if found is None else found[1].decode(errors="replace").strip()


def _said(answer: Answer) -> str:
    code, words = _element(answer.body, "Code"), _element(answer.body, "Message")
    return f"{code}: {words}" if code and words else code or ""
