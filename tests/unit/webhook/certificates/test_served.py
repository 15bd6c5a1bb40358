"""New handshakes meet the newest leaf, and open connections notice nothing."""

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from certs.authority import new_authority
from certs.errors import Unreadable
from certs.leaf import Leaf
from tests.unit.webhook.certificates.tls import NAME, connected, echoing, shown
from webhook.certificates.served import ServedLeaf

NOW_S = datetime.now(UTC).timestamp()
AUTHORITY = new_authority("test", [NAME], now_s=NOW_S, lifetime_s=86_400.0)
TRUSTED = AUTHORITY.certificate.public_bytes(Encoding.PEM).decode()


def leaf() -> Leaf:
    return AUTHORITY.sign_leaf({NAME}, now_s=NOW_S, lifetime_s=3600.0)


def rsa_leaf(bits: int = 2048) -> Leaf:
    """As cert-manager makes them by default."""
    key = rsa.generate_private_key(65537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rsa")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return Leaf(certificate, certificate.public_bytes(Encoding.PEM), key_pem)


async def test_before_the_first_leaf_handshakes_are_refused(tmp_path: Path) -> None:
    served = ServedLeaf(tmp_path)
    assert (served.expires_at_s(), served.problem(NOW_S)) == (0.0, "there is no certificate yet")
    async with echoing(served.context) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await shown(port)


async def test_a_new_leaf_is_for_new_connections_and_the_open_ones_stay(tmp_path: Path) -> None:
    served = ServedLeaf(tmp_path)
    first, second = leaf(), leaf()
    served.serve(first)
    async with echoing(served.context) as port, connected(port, TRUSTED) as early:
        assert early.leaf == first.certificate
        served.serve(second)
        assert await early.is_alive()
        assert await shown(port, TRUSTED) == second.certificate
        assert await early.is_alive()
    assert served.expires_at_s() == second.expires_at_s


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_leaf_of_another_kind_of_key_takes_the_place_of_the_one_before(
    tmp_path: Path, newest: ssl.TLSVersion
) -> None:
    served = ServedLeaf(tmp_path)
    async with echoing(served.context) as port:
        for each in (leaf(), rsa_leaf(), leaf()):
            served.serve(each)
            assert await shown(port, newest=newest) == each.certificate


async def test_old_tls_is_refused(tmp_path: Path) -> None:
    served = ServedLeaf(tmp_path)
    served.serve(leaf())
    assert served.context.minimum_version == ssl.TLSVersion.TLSv1_2
    async with echoing(served.context) as port:
        with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises((ssl.SSLError, ConnectionError)):
            await shown(port, newest=ssl.TLSVersion.TLSv1_1)


async def test_what_openssl_refuses_leaves_the_leaf_before(tmp_path: Path) -> None:
    served = ServedLeaf(tmp_path)
    good = leaf()
    served.serve(good)
    with pytest.raises(
        Unreadable, match=r"the certificate CN=rsa: found .*TOO_SMALL.*; allowed is what OpenSSL accepts"
    ):
        served.serve(rsa_leaf(1024))
    async with echoing(served.context) as port:
        assert await shown(port, TRUSTED) == good.certificate


def test_no_key_stays_on_disk(tmp_path: Path) -> None:
    served = ServedLeaf(tmp_path)
    served.serve(leaf())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="gone"):
        ServedLeaf(tmp_path / "gone").serve(leaf())


async def test_the_same_leaf_again_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    served = ServedLeaf(tmp_path)
    one = leaf()
    with caplog.at_level(logging.INFO):
        served.serve(one)
        served.serve(one)
    assert [record.message[:33] for record in caplog.records] == ["serving a certificate for serin-w"]


def test_a_leaf_has_a_beginning_and_an_end(tmp_path: Path) -> None:
    served = ServedLeaf(tmp_path)
    authority = new_authority("test", [NAME], now_s=1_800_000_000.0, lifetime_s=3600.0)
    served.serve(authority.sign_leaf({NAME}, now_s=1_800_000_000.0, lifetime_s=3600.0))
    assert served.problem(1_800_000_000.0) == ""
    assert served.problem(1_800_003_599.0) == ""
    assert served.problem(1_800_003_600.0) == "the certificate expired at 2027-01-15T09:00:00Z"
    assert served.problem(1_799_996_399.0) == "the certificate is not valid before 2027-01-15T07:00:00Z"


async def test_many_handshakes_during_changes_all_succeed(tmp_path: Path) -> None:
    served = ServedLeaf(tmp_path)
    served.serve(leaf())
    async with echoing(served.context) as port:

        async def clients() -> None:
            for _ in range(10):
                await shown(port, TRUSTED)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(clients())
            for _ in range(10):
                served.serve(leaf())
                await asyncio.sleep(0)
