"""What is stored of an authority: the `data` of a Secret, read and written.

`tls.crt` and `tls.key` are the leaf that is served, `ca.crt` the authorities that clients are to trust (newest first),
`ca.key` the newest one's key. `published-at`, in epoch seconds, is there during a change of authority only.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from certs.errors import CertificateError, Mismatched, Unreadable
from certs.leaf import MALFORMED, Leaf, public_key_of, read_certificates, read_leaf, read_public_key

T = TypeVar("T")

LEAF: Final = "tls.crt"
LEAF_KEY: Final = "tls.key"
AUTHORITIES: Final = "ca.crt"
AUTHORITY_KEY: Final = "ca.key"
PUBLISHED_AT: Final = "published-at"


@dataclass(frozen=True, slots=True)
class Material:
    """None stands for what is missing or damaged; `Material()` for nothing at all.

    `authority_key` signs for `authorities[0]`, the newest. The older ones sign nothing any more: their keys are gone.
    `published_at_s` is when the newest one was published to clients, while the leaf is still an older one's.
    """

    authorities: tuple[x509.Certificate, ...] = ()
    authority_key: bytes | None = None
    leaf: Leaf | None = None
    published_at_s: float | None = None

    @property
    def is_leaf_of_newest(self) -> bool:
        """Return whether the newest authority signed the leaf."""
        return self.leaf is not None and any(map(self.leaf.is_signed_by, self.authorities[:1]))

    def ca_bundle(self) -> str:
        """Return all authorities, as `clientConfig.caBundle` of a webhook holds them."""
        return _encode(_pem(self.authorities))


def read_material(data: Mapping[str, str], *, source: str) -> tuple[Material, tuple[CertificateError, ...]]:
    """Read what is usable of a Secret's `data`; the errors say what is not. `source` names the Secret in them."""
    values = _Values(data, source)
    authorities = values.usable(values.authorities) or ()
    # Without the authorities, their key and leaf are of no use.
    authority_key = values.usable(lambda: values.authority_key(authorities[0])) if authorities else None
    leaf = values.usable(lambda: values.leaf(authorities)) if authorities else None
    published_at_s = values.usable(values.published_at_s)
    return Material(authorities, authority_key, leaf, published_at_s), tuple(values.errors)


def write_material(material: Material) -> dict[str, str]:
    """Return the `data` of the Secret; what the material lacks has no key in it."""
    values = {
        LEAF: material.leaf and material.leaf.chain_pem,
        LEAF_KEY: material.leaf and material.leaf.key_pem,
        AUTHORITIES: _pem(material.authorities),
        AUTHORITY_KEY: material.authority_key,
        PUBLISHED_AT: None if material.published_at_s is None else f"{material.published_at_s:.3f}".encode(),
    }
    return {key: _encode(value) for key, value in values.items() if value}


class _Values:
    """The keys of one Secret; each reader raises CertificateError."""

    def __init__(self, data: Mapping[str, str], source: str) -> None:
        self._data = data
        self._source = source
        self.errors: list[CertificateError] = []

    def usable(self, read: Callable[[], T]) -> T | None:
        """Return what `read` returns, or None after adding its error."""
        try:
            return read()
        except CertificateError as error:
            self.errors.append(error)
            return None

    def authorities(self) -> tuple[x509.Certificate, ...]:
        where = self._where(AUTHORITIES)
        found = read_certificates(self._bytes(AUTHORITIES), source=where)
        for certificate in found:
            if not _is_authority(certificate):
                subject = certificate.subject.rfc4514_string()
                raise Mismatched(where, f"{subject}, which is none", "authorities with an ECDSA key")
        return found

    def authority_key(self, newest: x509.Certificate) -> bytes:
        where = self._where(AUTHORITY_KEY)
        pem = self._bytes(AUTHORITY_KEY)
        if read_public_key(pem, source=where) != public_key_of(newest, source=self._where(AUTHORITIES)):
            raise Mismatched(where, "another key", f"the key of the first authority in {AUTHORITIES}")
        return pem

    def leaf(self, authorities: tuple[x509.Certificate, ...]) -> Leaf:
        where = self._where(LEAF)
        chain_pem, key_pem = self._bytes(LEAF), self._bytes(LEAF_KEY)
        leaf = read_leaf(chain_pem, key_pem, chain_source=where, key_source=self._where(LEAF_KEY))
        if not any(leaf.is_signed_by(authority) for authority in authorities):
            raise Mismatched(where, "a certificate of another authority", f"one signed by those in {AUTHORITIES}")
        return leaf

    def published_at_s(self) -> float | None:
        if PUBLISHED_AT not in self._data:
            return None
        text = self._bytes(PUBLISHED_AT)
        if not re.fullmatch(rb"\d{1,12}(\.\d{3})?", text):
            raise Unreadable(self._where(PUBLISHED_AT), f"{len(text)} bytes that are no number", "epoch seconds")
        return float(text)

    def _bytes(self, key: str) -> bytes:
        try:
            return base64.b64decode(self._data.get(key, ""), validate=True)
        except ValueError as error:
            raise Unreadable(self._where(key), "something that is not base64", "base64") from error

    def _where(self, key: str) -> str:
        return f"{self._source}: {key}"


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        key = certificate.public_key()
    except MALFORMED:
        return False
    return constraints.ca and isinstance(key, ec.EllipticCurvePublicKey)


def _pem(certificates: tuple[x509.Certificate, ...]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()
