"""A certificate that the authority beside the webhook keeps in a Secret: followed by a watch, never written."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

from certs.errors import CertificateError
from kube.cache import Cache
from kube.client import Client
from kube.resource import SECRETS
from kube.store import Change
from webhook.certificates.background import running
from webhook.certificates.secret import SECRET_NAME, MaterialSecret
from webhook.certificates.source import LeafSource

_log = logging.getLogger(__name__)


class StoredCertificate(LeafSource):
    """The leaf in the Secret `secret_name`, a `webhook.certificates.port.ServingCertificate`.

    What is unusable is reported, and the leaf before is served on. `now_s` returns epoch seconds.
    """

    def __init__(
        self,
        client: Client,
        scratch: Path,
        *,
        namespace: str,
        secret_name: str = SECRET_NAME,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        # By name, so that RBAC can allow this Secret and no other.
        self._cache = Cache(
            client, SECRETS, namespace=namespace, field_selector=f"metadata.name={secret_name}", sleep=sleep
        )
        self._secret = MaterialSecret(client, self._cache, namespace, secret_name)
        super().__init__(scratch, now_s, f"{self._secret} has not been looked up yet")

    async def __aenter__(self) -> Self:
        self._cache.subscribe(self._take)
        await self._stack.enter_async_context(running({f"cache of {self._secret}": self._cache.run()}))
        return self

    def _take(self, _: Change) -> None:
        try:
            leaf = self._secret.read().leaf
            if leaf is not None:
                self._served.serve(leaf)
        except (CertificateError, OSError) as error:
            self._trouble = str(error)
            _log.warning("%s", error)
        else:
            self._trouble = "" if leaf is not None else f"{self._secret} has none: is the authority at work?"
