"""The processes of a sandbox cluster, seen from the host."""

from pathlib import Path

from tests.support.cluster import Cluster


def holder_pid(cluster: Cluster) -> int:
    return int((cluster.state / "lock").read_text())


def init_pid(cluster: Cluster) -> int:
    """The host's pid of the first process inside."""
    holder = holder_pid(cluster)
    return int(Path(f"/proc/{holder}/task/{holder}/children").read_text().split()[0])


def processes(cluster: Cluster) -> set[int]:
    """The host's pids of everything in the cluster's network namespace, and in those of its pods."""
    user = Path(f"/proc/{holder_pid(cluster)}/ns/user").readlink()
    return {pid for pid in all_pids() if namespace_of(pid) == user}


def all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def namespace_of(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/user").readlink()
    except OSError:
        return None


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def alive(pids: set[int]) -> set[int]:
    """Those that have not ended; a zombie has."""
    return {pid for pid in pids if state_of(pid) not in {"", "Z"}}


def state_of(pid: int) -> str:
    """Return the letter of a process' state; empty when there is none of this pid."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
