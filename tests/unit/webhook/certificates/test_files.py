"""A mounted certificate is followed through everything that can happen to its files."""

import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from certs.authority import new_authority
from certs.leaf import Leaf
from tests.unit.webhook.certificates.test_served import rsa_leaf
from tests.unit.webhook.certificates.tls import NAME, ManualTime, echoing, shown
from webhook.certificates.files import LOOK_AGAIN_S, MountedCertificate

NOW_S = 1_800_000_000.0
AUTHORITY = new_authority("test", [NAME], now_s=NOW_S, lifetime_s=86_400.0)


@pytest.fixture
def time() -> ManualTime:
    return ManualTime(NOW_S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mounted"
    folder.mkdir()
    return folder


@pytest.fixture
async def mounted(folder: Path, time: ManualTime, tmp_path: Path) -> AsyncIterator[MountedCertificate]:
    certificate = MountedCertificate(folder, tmp_path, now_s=time.clock, sleep=time.sleep)
    async with certificate as entered:
        assert entered is certificate
        yield certificate


def leaf(time: ManualTime, *, lifetime_s: float = 3600.0) -> Leaf:
    return AUTHORITY.sign_leaf({NAME}, now_s=time.now_s, lifetime_s=lifetime_s)


def mount(folder: Path, leaf: Leaf) -> None:
    """As the kubelet does it: a folder of the new files, then one swap of a link."""
    version = folder / f"..{leaf.certificate.serial_number}"
    version.mkdir()
    (version / "tls.crt").write_bytes(leaf.chain_pem)
    (version / "tls.key").write_bytes(leaf.key_pem)
    link = folder / "..new"
    link.symlink_to(version.name)
    link.replace(folder / "..data")
    for name in ("tls.crt", "tls.key"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


async def look(time: ManualTime, mounted: MountedCertificate, *, expires_at_s: float) -> None:
    await time.pass_s(LOOK_AGAIN_S)
    await time.when(lambda: mounted.expires_at_s() == expires_at_s)


async def test_a_certificate_that_comes_late_ends_the_wait(
    folder: Path, time: ManualTime, mounted: MountedCertificate
) -> None:
    assert mounted.problem() == (
        f"there is no certificate yet: {folder}/tls.crt: found no file to read (No such file or directory); "
        "allowed is a file of the mounted Secret"
    )
    assert mounted.expires_at_s() == 0.0
    mount(folder, leaf(time))
    await look(time, mounted, expires_at_s=NOW_S + 3600.0)
    assert mounted.problem() == ""


async def test_a_renewed_certificate_is_served_whatever_its_key(
    folder: Path, time: ManualTime, mounted: MountedCertificate
) -> None:
    async with echoing(mounted.context) as port:
        for new in (leaf(time), leaf(time, lifetime_s=1800.0), rsa_leaf()):
            mount(folder, new)
            await look(time, mounted, expires_at_s=new.expires_at_s)
            assert await shown(port) == new.certificate


async def test_an_expired_one_is_a_problem_until_it_is_renewed(
    folder: Path, time: ManualTime, mounted: MountedCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    mount(folder, leaf(time))
    await look(time, mounted, expires_at_s=NOW_S + 3600.0)
    caplog.clear()
    await time.pass_s(3600.0)
    assert mounted.problem() == "the certificate expired at 2027-01-15T09:00:00Z"
    async with echoing(mounted.context) as port:
        assert (await shown(port)).issuer == AUTHORITY.certificate.subject
    await time.when(lambda: bool(caplog.records))
    new = leaf(time)
    mount(folder, new)
    with caplog.at_level(logging.INFO):
        await look(time, mounted, expires_at_s=new.expires_at_s)
    assert mounted.problem() == ""
    logged = [(record.levelname, record.message) for record in caplog.records]
    assert logged[0] == ("WARNING", "the certificate expired at 2027-01-15T09:00:00Z")
    assert logged[-1] == ("INFO", "the certificate is valid again")


def slept_since(time: ManualTime, before: int) -> bool:
    return time.sleeps > before


async def test_damaged_files_are_logged_once_and_the_old_certificate_is_served_on(
    folder: Path, time: ManualTime, mounted: MountedCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    good = leaf(time)
    mount(folder, good)
    await look(time, mounted, expires_at_s=good.expires_at_s)
    caplog.clear()
    (folder / "tls.key").unlink()
    (folder / "tls.key").write_bytes(leaf(time).key_pem)
    enough = time.sleeps + 3
    while time.sleeps < enough:
        before = time.sleeps
        await time.pass_s(LOOK_AGAIN_S)
        await time.when(partial(slept_since, time, before))
    assert [record.message for record in caplog.records] == [
        f"{folder}/tls.key: found the key of another certificate; allowed is the key of the one in {folder}/tls.crt"
    ]
    assert mounted.problem() == ""
    async with echoing(mounted.context) as port:
        assert await shown(port) == good.certificate
