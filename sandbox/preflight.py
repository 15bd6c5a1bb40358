"""What the machine must have before a cluster can start: said in one line each, before anything is built or started."""

import os
import shutil
import subprocess

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

NAMESPACES = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


class PreflightError(Exception):
    """The machine lacks something; the message is the one line that says what to do."""


def check() -> None:
    """Raise PreflightError, unless everything is there; root on a machine with apt-get gets the packages installed."""
    lacking = missing(search_path())
    if lacking and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(lacking)
        lacking = missing(search_path())
    if lacking:
        raise PreflightError(explain(lacking))
    _check_namespaces()


def missing(path: str) -> dict[str, str]:
    """Commands that are not on `path`, each with its package."""
    return {command: package for command, package in _COMMANDS.items() if not shutil.which(command, path=path)}


def explain(lacking: dict[str, str]) -> str:
    """One line with every missing command and what to install."""
    packages = " ".join(sorted(set(lacking.values())))
    return f"missing commands: {', '.join(lacking)}; install the packages: {packages}"


def _install(lacking: dict[str, str]) -> None:
    packages = sorted(set(lacking.values()))
    print(f"installing {' '.join(packages)} with apt-get", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", *packages]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise PreflightError(f"`{' '.join(command)}` failed: {' '.join(last)}")


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
