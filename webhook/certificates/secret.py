"""The Secret that all replicas of the webhook share: each write is one of a race, and the loser reads again."""

import logging
from typing import Final

from certs.errors import CertificateError
from certs.material import Material, read_material, write_material
from kube.cache import Cache
from kube.client import Client
from kube.errors import Conflict
from kube.resource import SECRETS, Object

_log = logging.getLogger(__name__)

_OWNER_LABEL: Final = "app.kubernetes.io/managed-by"
_OWNER: Final = "serin-webhook"

# Helm writes its own name into that label, of whatever it installs. This one it leaves as the manifests have it.
_NAME_LABEL: Final = "app.kubernetes.io/name"

SECRET_NAME: Final = "serin-webhook-authority"  # noqa: S105  a name, no password
"""Of the Secret that the manifests make, empty."""


class NoSecret(CertificateError):  # noqa: N818  reads as what it is
    """There is no Secret to write to. It is never made here: for that one needs the right to make any."""


class ForeignSecret(CertificateError):  # noqa: N818  reads as what it is
    """A Secret of our name that we did not make: it is left alone."""


class MaterialSecret:
    """Reads are from `cache`, which holds this Secret."""

    def __init__(self, client: Client, cache: Cache, namespace: str, name: str) -> None:
        self._client = client
        self._cache = cache
        self._namespace = namespace
        self._name = name
        self._told_version = ""

    def __str__(self) -> str:
        return f"Secret {self._namespace}/{self._name}"

    def read(self) -> Material:
        """Return what is usable of it; what is not is logged once.

        Raises:
            ForeignSecret: it is not ours.
        """
        secret = self._cached()
        if secret is None:
            return Material()
        labels = secret["metadata"].get("labels") or {}
        owner = labels.get(_OWNER_LABEL)
        if owner != _OWNER and labels.get(_NAME_LABEL) != SECRET_NAME:
            allowed = repr(_OWNER)
            raise ForeignSecret(f"{self}: metadata.labels[{_OWNER_LABEL}]", repr(owner), allowed)
        if "data" not in secret:  # as the manifests make it
            return Material()
        material, errors = read_material(secret.get("data") or {}, source=str(self))
        if errors and self._told_version != _version(secret):
            self._told_version = _version(secret)
            for error in errors:
                _log.warning("to be made anew: %s", error)
        return material

    async def write(self, material: Material) -> None:
        """Store it in place of what `read` returned.

        Raises:
            NoSecret: somebody deleted it.
            kube.errors.Conflict: somebody else was faster; `read` gives theirs now.
            kube.errors.KubeError: it can't be written.
        """
        data = write_material(material)
        if (secret := self._cached()) is None:
            raise NoSecret(
                str(self), "none", f"an empty one with the label {_OWNER_LABEL}: {_OWNER}, see the manifests"
            )
        try:
            # Only the data: the type can't be changed, and labels of others stay.
            stored = await self._client.replace(SECRETS, secret | {"data": data})
        except Conflict:
            await self._read_again()
            raise
        self._cache.remember(stored)

    async def check_current(self) -> None:
        """Check that what `read` returned is what is stored: a watch may be silent for a while before it breaks.

        Raises:
            kube.errors.Conflict: it is not; `read` gives the newer one now.
            kube.errors.KubeError: it can't be read.
        """
        known = self._cached()
        stored = await self._read_again()
        if known is None or _version(known) != _version(stored):
            raise Conflict("it changed since it was read", resource=SECRETS, namespace=self._namespace, name=self._name)

    async def _read_again(self) -> Object:
        stored = await self._client.get(SECRETS, self._name, self._namespace)
        self._cache.remember(stored)
        return stored

    def _cached(self) -> Object | None:
        return self._cache.get(self._namespace, self._name)


def _version(secret: Object) -> str:
    return str(secret["metadata"]["resourceVersion"])
