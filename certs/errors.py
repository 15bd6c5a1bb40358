"""Everything that can be wrong with a certificate or a key. All of it is permanent: only other material mends it.

CertificateError
├── Unreadable   missing, or not PEM of what belongs there
└── Mismatched   readable, but not of the key or the authority that it stands beside
"""


class CertificateError(Exception):
    """Material that can't be used; `source` is the object or the file, and the key in it."""

    def __init__(self, source: str, found: str, allowed: str) -> None:
        super().__init__(f"{source}: found {found}; allowed is {allowed}")
        self.source = source


class Unreadable(CertificateError):  # noqa: N818  reads as what the material is
    """Missing, or not PEM of what belongs there."""


class Mismatched(CertificateError):  # noqa: N818  reads as what the material is
    """Readable, but not of the key or the authority that it stands beside."""
