"""The leaf that is served: changed while the server runs, without touching the connections that are open."""

import logging
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from certs.errors import Unreadable
from certs.leaf import Leaf

_log = logging.getLogger(__name__)


class ServedLeaf:
    """A server context whose handshakes are each given the context of the newest leaf.

    `load_cert_chain` on the one context would do for a leaf like the one before it. But OpenSSL keeps a leaf for each
    type of key: after an RSA leaf in place of an ECDSA one, the old one is served on. And a key that does not belong to
    its certificate leaves a context without either. A fresh context for each leaf has neither trouble.

    OpenSSL reads keys from files only: they are in `scratch` for the moment of loading, readable by nobody else.
    """

    def __init__(self, scratch: Path) -> None:
        self.context = _server_context()
        # Called for each handshake, also for one that asks for no name.
        self.context.sni_callback = self._choose
        self._scratch = scratch
        self._newest: ssl.SSLContext | None = None
        self._leaf: Leaf | None = None

    def serve(self, leaf: Leaf) -> None:
        """Use this leaf for handshakes from now on.

        Raises:
            certs.errors.Unreadable: OpenSSL refuses it; the leaf before is served on.
            OSError: `scratch` can't be written.
        """
        if leaf == self._leaf:
            return
        newest = _server_context()
        with tempfile.TemporaryDirectory(prefix="leaf-", dir=self._scratch) as folder:
            pair = Path(folder) / "pair.pem"
            pair.touch(mode=0o600)
            pair.write_bytes(leaf.key_pem + b"\n" + leaf.chain_pem)
            try:
                newest.load_cert_chain(pair)
            except ssl.SSLError as error:
                subject = leaf.certificate.subject.rfc4514_string()
                raise Unreadable(f"the certificate {subject}", str(error), "what OpenSSL accepts") from error
        self._newest, self._leaf = newest, leaf
        _log.info("serving a certificate for %s until %s", ", ".join(sorted(leaf.names)), _moment(leaf.expires_at_s))

    def expires_at_s(self) -> float:
        """Return the leaf's end in epoch seconds; 0.0 while there is none."""
        return self._leaf.expires_at_s if self._leaf is not None else 0.0

    def problem(self, now_s: float) -> str:
        """Return why clients will refuse what is served now; "" when they won't."""
        if self._leaf is None:
            return "there is no certificate yet"
        if now_s >= self._leaf.expires_at_s:
            return f"the certificate expired at {_moment(self._leaf.expires_at_s)}"
        if now_s < self._leaf.starts_at_s:
            return f"the certificate is not valid before {_moment(self._leaf.starts_at_s)}"
        return ""

    def _choose(self, handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        if self._newest is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        handshake.context = self._newest
        return None


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _moment(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
