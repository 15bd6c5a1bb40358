"""What the machine must have before a cluster can start: said in one line each, before anything is built or started."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence

from sandbox.paths import search_path

# Each command, and the Debian package that has it.
_COMMANDS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
    "ip": "iproute2",
    "nft": "nftables",
    "curl": "curl",  # the guide's hooks call it
    "pkill": "procps",  # the tests end processes inside
}

# Of the tests of the agent's page; the cluster does without.
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_BROWSER_PACKAGE = "chromium"

NAMESPACES = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


# A machine that has just booted may be upgrading itself.
_LOCK_TIMEOUT_S = 600.0
_LOCKED_AGAIN_S = 1.0
_LOCKED = "Could not get lock"
# apt-get itself waits for dpkg's lock only; that of the package lists it reports at once, so it is called again.
_APT_GET = ("apt-get", "-o", "DPkg::Lock::Timeout=5")


class PreflightError(Exception):
    """The machine lacks something; the message is the one line that says what to do."""


def check() -> None:
    """Install what is missing, as root on a machine with apt-get. Raises PreflightError for what is missing still."""
    lacking = missing(search_path())
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(lacking)
        lacking = missing(search_path())
    if lacking:
        raise PreflightError(explain(lacking))
    _check_namespaces()


def find_browser() -> str:
    """Install a Chromium if there is none, as root on a machine with apt-get; return it, empty if there still is none.

    Nothing but the tests of the page needs it, so a machine that can't have one is no error.
    """
    if not _browser() and os.geteuid() == 0 and shutil.which("apt-get"):
        try:
            _install({_BROWSER_PACKAGE: _BROWSER_PACKAGE})
        except PreflightError as error:
            print(error, flush=True)
    return _browser()


def _browser() -> str:
    return next(filter(None, (shutil.which(name, path=search_path()) for name in _BROWSERS)), "")


def missing(path: str) -> dict[str, str]:
    """Return the commands that are not on `path`, each with its package."""
    return {command: package for command, package in _COMMANDS.items() if not shutil.which(command, path=path)}


def explain(lacking: dict[str, str]) -> str:
    """Return one line with every missing command and what to install."""
    packages = " ".join(sorted(set(lacking.values())))
    return f"missing commands: {', '.join(lacking)}; install the packages: {packages}"


def _install(lacking: dict[str, str]) -> None:
    packages = sorted(set(lacking.values()))
    print(f"installing {' '.join(packages)} with apt-get", flush=True)
    _apt_get("update", "-q")
    _apt_get("install", "-qy", "--no-install-recommends", *packages)


def _apt_get(*arguments: str) -> None:
    """Run apt-get, once no other package manager is at work. Raises PreflightError."""
    command = [*_APT_GET, *arguments]
    give_up_at_s = time.monotonic() + _LOCK_TIMEOUT_S
    is_announced = False
    while (error := _run_quietly(command)) is not None:
        if _LOCKED not in error or time.monotonic() > give_up_at_s:
            raise PreflightError(f"`{' '.join(command)}` failed: {error}")
        if not is_announced:
            print(f"waiting up to {_LOCK_TIMEOUT_S:g} s for another package manager to end: {error}", flush=True)
            is_announced = True
        time.sleep(_LOCKED_AGAIN_S)


def _run_quietly(command: Sequence[str]) -> str | None:
    """Run a command; return None when it succeeds, else the line of its output that says why not."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
    return next((line for line in lines if _LOCKED in line), lines[-1])


def _check_namespaces() -> None:
    done = subprocess.run(
        ["unshare", *NAMESPACES, "true"],
        env=os.environ | {"PATH": search_path()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PreflightError(
            f"the kernel refuses user namespaces ({done.stderr.strip()}): run as root, or allow them with "
            "sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone or "
            "kernel.apparmor_restrict_unprivileged_userns, whichever this system has"
        )
