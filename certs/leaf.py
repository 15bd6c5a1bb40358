"""A server's certificate and its key, whoever signed it."""

from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from certs.errors import Mismatched, Unreadable

# What a certificate that could be parsed may still raise when its fields are read.
MALFORMED: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """`chain_pem` begins with `certificate`; the authorities between it and the root may follow."""

    certificate: x509.Certificate
    chain_pem: bytes
    key_pem: bytes

    @property
    def starts_at_s(self) -> float:
        """Return the epoch seconds from which it is valid."""
        return self.certificate.not_valid_before_utc.timestamp()

    @property
    def expires_at_s(self) -> float:
        """Return the epoch seconds from which it is not valid any more."""
        return self.certificate.not_valid_after_utc.timestamp()

    @property
    def names(self) -> frozenset[str]:
        """Return the DNS names that it is for."""
        try:
            extension = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except MALFORMED:
            return frozenset()
        return frozenset(extension.value.get_values_for_type(x509.DNSName))

    def is_signed_by(self, authority: x509.Certificate) -> bool:
        """Return whether this authority's key signed it, valid in time or not."""
        try:
            self.certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, TypeError, *MALFORMED):
            return False
        return True


def read_leaf(chain_pem: bytes, key_pem: bytes, *, chain_source: str, key_source: str) -> Leaf:
    """Parse a server's certificate and key; the sources name them in errors.

    Raises:
        certs.errors.CertificateError: either can't be read, or the key is another's.
    """
    certificate = read_certificates(chain_pem, source=chain_source)[0]
    if read_public_key(key_pem, source=key_source) != public_key_of(certificate, source=chain_source):
        raise Mismatched(key_source, "the key of another certificate", f"the key of the one in {chain_source}")
    return Leaf(certificate, chain_pem, key_pem)


def read_certificates(pem: bytes, *, source: str) -> tuple[x509.Certificate, ...]:
    """Parse one or more certificates.

    Raises:
        certs.errors.Unreadable: there is none, or one that can't be parsed.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise Unreadable(source, _described(pem), "certificates in PEM") from error


def read_public_key(key_pem: bytes, *, source: str) -> bytes:
    """Parse an unencrypted private key; return its public key in DER, to compare it.

    Raises:
        certs.errors.Unreadable: it can't be parsed.
    """
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Unreadable(source, _described(key_pem), "an unencrypted private key in PEM") from error
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_key_of(certificate: x509.Certificate, *, source: str) -> bytes:
    """Return the public key of a certificate in DER.

    Raises:
        certs.errors.Unreadable: it is of an unknown kind, or broken.
    """
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except MALFORMED as error:
        raise Unreadable(source, f"a key that can't be used ({error})", "an ECDSA, RSA or Ed25519 key") from error


def _described(pem: bytes) -> str:
    # Never what is in it, not even its beginning: somebody may have stored a key in the wrong place.
    return f"{len(pem)} bytes that are none" if pem else "nothing"
