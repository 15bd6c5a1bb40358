"""Making certificates: an authority of one key (ECDSA P-256), and the leaves that it signs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.leaf import Leaf

# A client whose clock is behind by up to so much accepts a new certificate.
CLOCK_SKEW_S: Final = 3600.0
# All of them: to permit some names leaves other kinds of names open.
_ADDRESSES: Final = [x509.IPAddress(IPv4Network("0.0.0.0/0")), x509.IPAddress(IPv6Network("::/0"))]
_NO_USAGE: Final = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that clients trust, and the key behind it."""

    certificate: x509.Certificate
    key_pem: bytes

    def sign_leaf(self, names: Iterable[str], *, now_s: float, lifetime_s: float) -> Leaf:
        """Make a key and a certificate for a TLS server of these DNS names; it never outlives its authority."""
        ordered = sorted(names, key=lambda name: (len(name), name))
        key = ec.generate_private_key(ec.SECP256R1())
        # A common name has at most 64 characters, and nobody reads it any more: the shortest name is enough.
        builder = _builder(ordered[0][:64], key.public_key(), now_s=now_s, lifetime_s=lifetime_s)
        end = min(_moment(now_s + lifetime_s), self.certificate.not_valid_after_utc)
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            builder.issuer_name(self.certificate.subject)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**(_NO_USAGE | {"digital_signature": True})), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in ordered]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .sign(self._key(), SHA256())
        )
        return Leaf(certificate, certificate.public_bytes(Encoding.PEM), _key_pem(key))

    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = load_pem_private_key(self.key_pem, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), "made below, or compared with the certificate when read"
        return key


def new_authority(name: str, names: Iterable[str], *, now_s: float, lifetime_s: float) -> Authority:
    """Make a self-signed authority; no two have the same subject, so that nobody mistakes one for the other.

    Whoever trusts it believes it these DNS names, and those below them, and no address.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    subject = f"{name[:47]} {identifier.digest.hex()[:16]}"
    builder = _builder(subject, key.public_key(), now_s=now_s, lifetime_s=lifetime_s)
    certificate = (
        builder.issuer_name(_common_name(subject))
        .not_valid_after(_moment(now_s + lifetime_s))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**(_NO_USAGE | {"key_cert_sign": True, "crl_sign": True})), critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(name) for name in sorted(names)], _ADDRESSES), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, SHA256())
    )
    return Authority(certificate, _key_pem(key))


def permits(authority: x509.Certificate, names: Iterable[str]) -> bool:
    """Return whether an authority is limited to certain names, and these are among them."""
    try:
        limits = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    permitted = {name.value for name in limits.permitted_subtrees or () if isinstance(name, x509.DNSName)}
    return permitted >= set(names)


def service_names(service: str, namespace: str) -> frozenset[str]:
    """Return the DNS names of a Service in a cluster; the API server asks for the one that ends in `.svc`."""
    inside = f"{service}.{namespace}"
    return frozenset((service, inside, f"{inside}.svc", f"{inside}.svc.cluster.local"))


def _builder(
    subject: str, public_key: ec.EllipticCurvePublicKey, *, now_s: float, lifetime_s: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_common_name(subject))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_moment(now_s - min(CLOCK_SKEW_S, lifetime_s)))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _moment(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(int(epoch_s), UTC)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
