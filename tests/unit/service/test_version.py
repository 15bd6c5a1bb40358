"""The version that logs, series and the user agent show."""

from importlib.metadata import PackageNotFoundError

import pytest

from service import version
from service.version import serin_version


def test_an_installed_serin_has_its_packages_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "version", {"serin": "1.2.3"}.__getitem__)
    assert serin_version() == "1.2.3"


def test_a_bare_checkout_is_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert serin_version() == "dev"
