"""Keys and certificates of the control plane, made anew at each start: a CA, a server certificate, the token key."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

_DNS_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)


@dataclass(frozen=True)
class Pki:
    """The files of the PKI and the admin's token."""

    root: Path
    admin_token: str

    @property
    def ca_cert(self) -> Path:
        return self.root / "ca.crt"

    @property
    def server_cert(self) -> Path:
        return self.root / "server.crt"

    @property
    def server_key(self) -> Path:
        return self.root / "server.key"

    @property
    def service_account_key(self) -> Path:
        return self.root / "sa.key"

    @property
    def tokens(self) -> Path:
        """The API server's static token file."""
        return self.root / "tokens.csv"


def create(root: Path, *, addresses: tuple[str, ...]) -> Pki:
    """Write a whole PKI into `root` (made private); the server certificate holds for `addresses` and our DNS names."""
    root.mkdir(parents=True, mode=0o700)
    pki = Pki(root, admin_token=secrets.token_urlsafe(24))
    authority = trustme.CA(organization_name="sandbox")
    server = authority.issue_cert(*_DNS_NAMES, *addresses, common_name="kube-apiserver")
    pki.ca_cert.write_bytes(authority.cert_pem.bytes())
    pki.server_cert.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    _write_private(pki.server_key, server.private_key_pem.bytes())
    # The key that signs the service accounts' tokens is on nobody's certificate: any new key will do.
    _write_private(pki.service_account_key, trustme.CA().private_key_pem.bytes())
    _write_private(pki.tokens, f'{pki.admin_token},admin,admin,"system:masters"\n'.encode())
    return pki


def write_kubeconfig(path: Path, *, server: str, ca_cert: Path, token: str) -> None:
    """Write a kubeconfig in JSON (which is YAML): one cluster, one user, one context, all named sandbox."""
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": {"server": server, "certificate-authority": str(ca_cert)}}],
        "users": [{"name": "sandbox", "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        "current-context": "sandbox",
    }
    _write_private(path, json.dumps(config, indent=2).encode())


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
