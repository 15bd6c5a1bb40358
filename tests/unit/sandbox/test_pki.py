"""The control plane's keys and certificates."""

import ssl
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox.api import Api
from sandbox.pki import Pki, create, write_kubeconfig


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return create(tmp_path / "pki", addresses=("10.244.0.1", "127.0.0.1"))


def shake_hands(pki: Pki, name: str) -> None:
    """Let a client that trusts the CA connect to a server with the certificate, as `name`; raises ssl.SSLError."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(pki.server_cert, pki.server_key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.create_default_context(cafile=str(pki.ca_cert))
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert client.version()


@pytest.mark.parametrize(
    "name", ["kubernetes.default", "kubernetes.default.svc.cluster.local", "10.244.0.1", "127.0.0.1"]
)
def test_the_server_certificate_holds_for_every_way_to_the_api_server(pki: Pki, name: str) -> None:
    shake_hands(pki, name)


def test_it_does_not_hold_for_another_address(pki: Pki) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        shake_hands(pki, "10.244.0.2")


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
