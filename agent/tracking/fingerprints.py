"""The key of the fingerprints that statuses show of configurations: a Secret of the installation's own.

Without a key, who may read a Canary's status could try what a Secret may hold until the fingerprint is the same.
"""

import base64
import logging
import secrets
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

from agent.resources import CANARIES
from canary.api.parts import mapping_of
from canary.run.revision import is_keyed_hash
from kube.client import Client
from kube.errors import AlreadyExists, NotFound, PermanentError
from kube.resource import SECRETS, Object
from render.configs import Fingerprints

_log = logging.getLogger(__name__)

SECRET_NAME: Final = "serin-fingerprints"  # noqa: S105  a name
_KEY: Final = "key"
_KEY_BYTES: Final = 32


async def load_fingerprints(client: Client, fingerprints: Fingerprints, *, key_namespace: str, namespace: str) -> None:
    """Read the key, made where there is none, and which fingerprints of the time before it still stand in statuses.

    These stay as they are until what they are of changes: other ones would be other revisions, and each canary with a
    configuration would run. `key_namespace` is where the key is kept, `namespace` that of the canaries, empty for all.

    Without a key fingerprints are plain hashes, unless a status has keyed ones: then the key is waited for.

    Raises:
        kube.errors.KubeError: the API server could not be asked, or refused what it gave before; another try may help.
    """
    try:
        key = await _read_key(client, key_namespace)
    except PermanentError as error:
        refusal = f"Secret {key_namespace}/{SECRET_NAME}: {error}; allowed: the rights to get and create it"
        if any(map(is_keyed_hash, await _former(client, namespace))):
            raise PermanentError(f"{refusal}. Fingerprints in statuses are keyed", resource=SECRETS) from error
        _log.warning("%s. Fingerprints are not keyed", refusal)
        return
    fingerprints.use(key, former=await _former(client, namespace))


async def _read_key(client: Client, namespace: str) -> bytes:
    try:
        return _key_of(await client.get(SECRETS, SECRET_NAME, namespace))
    except NotFound:
        pass
    key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
    made: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET_NAME, "namespace": namespace},
        "type": "serin.dev/fingerprints",
        "data": {_KEY: key},
    }
    try:
        return _key_of(await client.create(SECRETS, made))
    except AlreadyExists:  # another agent was faster, and its key is everybody's
        return _key_of(await client.get(SECRETS, SECRET_NAME, namespace))


def _key_of(secret: Object) -> bytes:
    try:
        key = base64.b64decode(str(mapping_of(secret, "data").get(_KEY, "")), validate=True)
    except ValueError:
        key = b""
    if len(key) < _KEY_BYTES:
        raise PermanentError(f"data.{_KEY}: found {len(key)} bytes; allowed: {_KEY_BYTES} or more", resource=SECRETS)
    return key


async def _former(client: Client, namespace: str) -> frozenset[str]:
    found: set[str] = set()
    async with aclosing(client.pages(CANARIES, namespace or None)) as pages:
        async for page in pages:
            for canary in page.items:
                tracked: Mapping[str, Any] = mapping_of(mapping_of(canary, "status"), "trackedConfigs")
                found |= {content for content in tracked.values() if isinstance(content, str)}
    return frozenset(found)
