"""Serin's own authority: kept in a Secret, published to the API server, and replaced in time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Self

from certs.authority import service_names
from certs.errors import CertificateError
from certs.material import Material
from certs.rotation import Lifetimes, rotate
from kube.backoff import Backoff
from kube.cache import Cache
from kube.client import Client
from kube.errors import Conflict, KubeError
from kube.resource import MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS
from kube.store import Change
from webhook.certificates.background import running
from webhook.certificates.configurations import bundle_patch
from webhook.certificates.secret import SECRET_NAME, MaterialSecret
from webhook.certificates.source import LeafSource

_log = logging.getLogger(__name__)

NAME: Final = "serin-webhook"
# Between two passes: changes that come together are met together, and one who writes against us costs us little.
_SETTLE_S: Final = 0.1
_BACKOFF: Final = Backoff(first_s=0.2, max_s=10.0)


class OwnAuthority(LeafSource):
    """A `webhook.certificates.port.ServingCertificate` of an authority that all replicas share.

    It keeps what is in the Secret `secret_name` and the caBundle of both configurations named `configuration_name`:
    made at the first start, restored when somebody changes them, rotated as `certs.rotation` says. Every replica does
    the same, and all writes are guarded. Whatever the API server answers, it goes on, and serves the leaf that it has.
    `now_s` gives epoch seconds.
    """

    def __init__(
        self,
        client: Client,
        scratch: Path,
        *,
        namespace: str,
        secret_name: str = SECRET_NAME,
        configuration_name: str = NAME,
        lifetimes: Lifetimes | None = None,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._configuration_name = configuration_name
        self._names = service_names(NAME, namespace)
        self._lifetimes = lifetimes or Lifetimes()
        self._sleep = sleep
        # By name, so that RBAC can allow these objects and no others.
        only = f"metadata.name={secret_name}"
        self._secrets = Cache(client, SECRETS, namespace=namespace, field_selector=only, sleep=sleep)
        self._configurations = [
            Cache(client, resource, field_selector=f"metadata.name={configuration_name}", sleep=sleep)
            for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)
        ]
        self._secret = MaterialSecret(client, self._secrets, namespace, secret_name)
        super().__init__(scratch, now_s, f"{self._secret} has not been looked up yet")
        self._wake = asyncio.Event()

    async def __aenter__(self) -> Self:
        caches = [self._secrets, *self._configurations]
        works = {f"cache {cache.resource.plural} of certificates": cache.run() for cache in caches}
        for cache in caches:
            cache.subscribe(self._take)
        works |= {"certificates": self._keep(), "clock of certificates": self._look_again()}
        await self._stack.enter_async_context(running(works))
        return self

    def _take(self, _: Change) -> None:
        self._wake.set()

    async def _look_again(self) -> None:
        """Wake up as time passes: often enough to miss no step of the rotation, however short the lifetimes."""
        pause_s = min(60.0, self._lifetimes.leaf_s / 30)
        while True:
            self._wake.set()
            await self._sleep(pause_s)

    async def _keep(self) -> None:
        await self._secrets.wait_synced()
        failures = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._pass()
            except (KubeError, CertificateError, OSError) as error:
                failures += 1
                self._trouble = str(error)
                self._wake.set()
                is_lost_race = isinstance(error, Conflict)
                _log.log(logging.INFO if is_lost_race else logging.WARNING, "certificates: trying again: %s", error)
                await self._sleep(_BACKOFF.delay_s(failures))
            else:
                failures = 0
                self._trouble = ""
                await self._sleep(_SETTLE_S)

    async def _pass(self) -> None:
        """Store what is due, publish to the API server whom to trust, then serve."""
        stored = self._secret.read()
        wanted = rotate(
            stored,
            names=self._names,
            now_s=self._now_s(),
            lifetimes=self._lifetimes,
            is_published=self._is_published(stored),
        )
        if wanted != stored:
            await self._renew(stored, wanted)
        assert wanted.leaf is not None, "rotate promises one"
        try:
            await self._publish(wanted.ca_bundle())
        finally:
            # What can't be published now may be published by another replica, or be known already.
            self._served.serve(wanted.leaf)

    async def _renew(self, stored: Material, wanted: Material) -> None:
        try:
            await self._secret.write(wanted)
        except KubeError:
            # What can't be renewed now serves to its end, in a replica that has just started too.
            if stored.leaf is not None:
                self._served.serve(stored.leaf)
            raise
        _log.info("%s: certificates renewed", self._secret)

    def _is_published(self, material: Material) -> bool:
        """Return whether each configuration that is there has all authorities."""
        if not all(cache.is_synced for cache in self._configurations):
            return False
        found = [
            found for cache in self._configurations if (found := cache.get("", self._configuration_name)) is not None
        ]
        bundle = material.ca_bundle()
        return bool(found) and not any(bundle_patch(configuration, bundle) for configuration in found)

    async def _publish(self, bundle: str) -> None:
        """Write the authorities to each configuration, even if another one fails. Raises the first error."""
        name = self._configuration_name
        errors: list[KubeError] = []
        for cache in self._configurations:
            configuration = cache.get("", name)
            patch = bundle_patch(configuration, bundle) if configuration is not None else []
            if not patch:
                continue
            await self._secret.check_current()
            try:
                cache.remember(await self._client.json_patch(cache.resource, name, None, patch))
            except KubeError as error:
                errors.append(error)
            else:
                _log.info("%s %s: caBundle is now that of %s", cache.resource.kind, name, self._secret)
        if errors:
            raise errors[0]
