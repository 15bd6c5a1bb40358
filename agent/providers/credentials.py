"""Credentials of providers: read from the API server when they are needed, never kept."""

import base64

from kube.client import Client
from kube.resource import SECRETS


async def read_secret(client: Client, namespace: str, name: str) -> dict[str, str]:
    """Return a Secret's keys and values as text, without the white space around it that editors leave.

    Raises:
        kube.errors.KubeError: it can't be read.
    """
    secret = await client.get(SECRETS, name, namespace)
    data: dict[str, str] = secret.get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace").strip() for key, value in data.items()}
