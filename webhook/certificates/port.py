"""What the server needs of a certificate, whoever keeps it."""

import ssl
from typing import Protocol


class ServingCertificate(Protocol):
    """A certificate that is renewed behind the server's back. `async with` starts and ends the one who keeps it.

    Entering does not wait for a certificate. Until there is one, handshakes are refused and `problem` says why.
    """

    @property
    def context(self) -> ssl.SSLContext:
        """Return the context of the server's socket, TLS 1.2 or newer: always one object, with the newest leaf."""

    def problem(self) -> str:
        """Return why the server is not ready, as one sentence; "" while a valid certificate is served."""

    def expires_at_s(self) -> float:
        """Return the end of the served leaf in epoch seconds; 0.0 while there is none."""
