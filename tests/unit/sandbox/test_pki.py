"""The control plane's keys and certificates."""

import datetime as dt
import ipaddress
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from sandbox.api import Api
from sandbox.pki import Pki, create, write_kubeconfig

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return create(tmp_path / "pki", addresses=("10.244.0.1", "127.0.0.1"), now=NOW)


def verify(pki: Pki, subject: x509.GeneralName) -> None:
    assert isinstance(subject, x509.DNSName | x509.IPAddress)
    authority = x509.load_pem_x509_certificate(pki.ca_cert.read_bytes())
    server = x509.load_pem_x509_certificate(pki.server_cert.read_bytes())
    PolicyBuilder().store(Store([authority])).time(NOW).build_server_verifier(subject).verify(server, [])


@pytest.mark.parametrize(
    "subject",
    [
        x509.DNSName("kubernetes.default"),
        x509.DNSName("kubernetes.default.svc.cluster.local"),
        x509.IPAddress(ipaddress.ip_address("10.244.0.1")),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ],
)
def test_the_server_certificate_holds_for_every_way_to_the_api_server(pki: Pki, subject: x509.GeneralName) -> None:
    verify(pki, subject)


def test_it_does_not_hold_for_another_address(pki: Pki) -> None:
    with pytest.raises(VerificationError):
        verify(pki, x509.IPAddress(ipaddress.ip_address("10.244.0.2")))


def test_private_files_are_readable_by_their_owner_only(pki: Pki) -> None:
    for path in (pki.server_key, pki.service_account_key, pki.tokens):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_token_file_makes_the_admin_a_master(pki: Pki) -> None:
    assert pki.tokens.read_text() == f'{pki.admin_token},admin,admin,"system:masters"\n'


def test_a_kubeconfig_says_where_and_who(pki: Pki, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, server="https://127.0.0.1:6443", ca_cert=pki.ca_cert, token="secret")
    api = Api.from_kubeconfig(path)
    assert (api.server, api.token) == ("https://127.0.0.1:6443", "secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
