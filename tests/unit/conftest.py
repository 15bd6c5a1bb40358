"""What all unit tests have in common."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def _no_authorities_of_the_system() -> Iterator[None]:
    """Have OpenSSL find no certificate authorities of the system, which no server of these tests is certified by.

    Each client of an API server reads them, and each reading takes 30 ms: hundreds of tests start some clients.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SSL_CERT_FILE", os.devnull)
        patched.setenv("SSL_CERT_DIR", os.devnull)
        yield
