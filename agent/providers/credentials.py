"""Credentials of providers: read from the API server when they are needed, never kept."""

import base64
import binascii
from typing import Any, Final

from agent.providers.errors import ProviderRefused
from canary.api.bounds import MOST_SECRET_VALUE_BYTES
from kube.client import Client
from kube.resource import SECRETS

CREDENTIALS_ANNOTATION: Final = "serin.dev/credentials"
"""On a Secret of another type, with the value `allow`: its owner lets providers send what is in it."""

_TYPES: Final = ("Opaque", "kubernetes.io/basic-auth")

# Keys to the cluster itself, which nobody means for a metrics server or a chat.
_NEVER: Final = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})


async def read_secret(client: Client, namespace: str, name: str) -> dict[str, str]:
    """Return a Secret's keys and values as text, without the white space around it that editors leave.

    Whoever may write a MetricTemplate or an AlertProvider says where it is sent, so it must be one for such a purpose.

    Raises:
        kube.errors.KubeError: it can't be read.
        ProviderRefused: it is of another type, or too large.
    """
    secret = await client.get(SECRETS, name, namespace)
    kind = str(secret.get("type") or _TYPES[0])
    annotations: dict[str, Any] = (secret.get("metadata") or {}).get("annotations") or {}
    is_allowed = kind in _TYPES or (kind not in _NEVER and annotations.get(CREDENTIALS_ANNOTATION) == "allow")
    if not is_allowed:
        opt_in = "" if kind in _NEVER else f", or the annotation {CREDENTIALS_ANNOTATION}: allow"
        raise ProviderRefused(f"Secret {namespace}/{name} type: found {kind!r}; allowed: {', '.join(_TYPES)}{opt_in}")
    return {key: _text(namespace, name, key, value) for key, value in (secret.get("data") or {}).items()}


def _text(namespace: str, name: str, key: str, value: str) -> str:
    try:
        content = base64.b64decode(value)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) > MOST_SECRET_VALUE_BYTES:
        allowed = f"at most {MOST_SECRET_VALUE_BYTES}"
        raise ProviderRefused(f"Secret {namespace}/{name} data.{key}: found {len(content)} bytes; allowed: {allowed}")
    return content.decode(errors="replace").strip()
