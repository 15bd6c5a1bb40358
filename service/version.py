"""The version of Serin."""

from importlib.metadata import PackageNotFoundError, version


def serin_version() -> str:
    """Return the installed version; from a bare checkout `dev`."""
    try:
        return version("serin")
    except PackageNotFoundError:
        return "dev"
