"""Where the sandbox keeps things: the repository, the built tools, and the state of one running cluster."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

# Debian keeps ip and nft where an unprivileged user's PATH does not look.
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def bin_dir() -> Path:
    """Return the folder of the built Go programs; SERIN_SANDBOX_BIN lets several checkouts share one build."""
    return Path(os.environ.get("SERIN_SANDBOX_BIN", REPOSITORY / ".sandbox" / "bin")).absolute()


def venv_bin_dir() -> Path:
    """Return the folder of our Python environment's programs: python itself and Envoy."""
    return Path(sys.executable).parent


def default_state_dir() -> Path:
    """Return the state directory that is meant without `--state`; SERIN_SANDBOX names another."""
    return Path(os.environ.get("SERIN_SANDBOX", REPOSITORY / ".sandbox"))


def search_path() -> str:
    """Return PATH for everything that the sandbox starts: our Python's programs, the built tools, then the system's."""
    given = os.environ.get("PATH", "").split(os.pathsep)
    folders = (str(venv_bin_dir()), str(bin_dir()), *given, *_SYSTEM_PATH)
    return os.pathsep.join(dict.fromkeys(folder for folder in folders if folder))


@dataclass(frozen=True)
class State:
    """The state directory of one cluster; made anew at each start, its logs stay after the end."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held (flock) for as long as the cluster lives; its text is the pid of the namespaces' holder."""
        return self.root / "lock"

    @property
    def lifeline(self) -> Path:
        """Return the FIFO that whoever wants a held cluster keeps open: see sandbox.lifeline."""
        return self.root / "lifeline"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def status(self) -> Path:
        """How far the start is, as JSON: see sandbox.report."""
        return self.run / "status.json"

    @property
    def endpoints(self) -> Path:
        """Name to URL on the host's loopback, as JSON."""
        return self.root / "endpoints.json"

    @property
    def kubeconfig(self) -> Path:
        """For the host; inside the namespaces `inside_kubeconfig` serves."""
        return self.root / "kubeconfig"

    @property
    def inside_kubeconfig(self) -> Path:
        return self.run / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.run / "pki"

    @property
    def audit_log(self) -> Path:
        """What Serin asked the API server for, one event as JSON a line."""
        return self.logs / "audit.jsonl"

    def log(self, name: str) -> Path:
        """Return the log of one part."""
        return self.logs / f"{name}.log"
