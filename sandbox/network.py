"""The cluster's network, set up by the first process inside its namespaces; and the files that resolve names there."""

import subprocess
from pathlib import Path

NODE_IP = "10.244.0.1"
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
API_PORT = 6443
BRIDGE = "cni0"
DOMAIN = "cluster.local"

_SYSCTL_ROOT = Path("/proc/sys")
_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/ip_local_port_range": "15000 60999",  # load tests open many connections
}
# Else a ClusterIP would be translated while still inside the bridge, which sends nothing back where it came from:
# a pod would not reach a Service that chose the pod itself.
_BRIDGE_FILTERS = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")


class NetworkError(Exception):
    """A command that sets up the network or a mount failed; the message has the command and what it said."""


def set_up() -> None:
    """Bring up lo and the bridge that pods hang on; the default route gives ClusterIPs a way out."""
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{NODE_IP}/16", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    _run("ip", "route", "add", "default", "dev", BRIDGE)
    for name, value in _SYSCTLS.items():
        (_SYSCTL_ROOT / name).write_text(value)
    for name in _BRIDGE_FILTERS:
        if (_SYSCTL_ROOT / name).exists():  # where the kernel has them
            (_SYSCTL_ROOT / name).write_text("0")


def mount_tmpfs(path: Path) -> None:
    """Mount memory at `path`, gone with the mount namespace."""
    path.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", str(path))


def mount_resolver(folder: Path) -> None:
    """Let every process in here resolve the cluster's names, whatever resolver the machine itself uses."""
    files = {
        "resolv.conf": f"nameserver {NODE_IP}\nsearch svc.{DOMAIN} {DOMAIN}\noptions ndots:5\n",
        # The machine's own order may ask a resolver daemon first, which would say that no such name exists.
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }
    for name, text in files.items():
        ours, theirs = folder / name, Path("/etc") / name
        ours.write_text(text)
        if theirs.exists():
            _run("mount", "--bind", str(ours), str(theirs))
        elif name == "resolv.conf":
            raise NetworkError(f"{theirs} does not exist or points nowhere; the cluster's names need it: create it")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetworkError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
