"""No private key is in the repository, not even one of a test: keys are made where they are needed."""

import base64
import re
import subprocess

import pytest

from tests.support.cluster import REPOSITORY

BEGIN = "-----BEGIN "
# As in a Secret's data, where a certificate begins alike: neither belongs here. In three ways, for a text may begin at
# any of three places of base64's groups of three bytes.
ENCODED = [base64.b64encode(f"{'x' * shift}{BEGIN}".encode())[4 if shift else 0 : -4] for shift in range(3)]
KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|" + b"|".join(re.escape(part) for part in ENCODED))


def files() -> list[str]:
    """What git keeps, and what it would: files that are new and not ignored."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("no git repository: nothing says which files belong to it")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, check=True, cwd=REPOSITORY, capture_output=True, text=True)
    return [name for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


def test_no_file_has_a_private_key() -> None:
    names = files()
    assert len(names) > 100
    assert [name for name in names if KEY.search((REPOSITORY / name).read_bytes())] == []


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("kind", ["", "EC ", "RSA ", "ENCRYPTED "])
def test_a_key_is_found_as_it_is_and_in_a_secret(before: str, kind: str) -> None:
    pem = f"{before}{BEGIN}{kind}PRIVATE KEY-----\n"
    assert KEY.search(pem.encode())
    assert KEY.search(base64.b64encode(pem.encode()))
    assert not KEY.search(f"{BEGIN}CERTIFICATE-----\n".encode())
