"""What the server needs of a certificate, whoever keeps it."""

import ssl
from typing import Protocol


class ServingCertificate(Protocol):
    """A certificate that is renewed behind the server's back. `async with` starts and ends the one who keeps it.

    Entering does not wait for a certificate. Until there is one, handshakes are refused and `problem` says why.
    """

    @property
    def context(self) -> ssl.SSLContext:
        """For the server's socket, TLS 1.2 or newer: one object for good, with the newest leaf for each handshake."""

    def problem(self) -> str:
        """Why the server is not ready, as one sentence; "" while a valid certificate is served."""

    def expires_at_s(self) -> float:
        """The end of the served leaf in epoch seconds; 0.0 while there is none."""
