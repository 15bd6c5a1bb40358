"""What developers do to a workload with kubectl, with the warnings that they get to see."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from canary.run.mark import Mark
from sandbox.paths import bin_dir
from tests.support.cluster import Cluster

_WARNING = "Warning: "


class Said(NamedTuple):
    """What one kubectl command printed, and its exit code."""

    output: str
    errors: str
    code: int

    @property
    def warnings(self) -> list[str]:
        """The warnings of the API server."""
        return [line.removeprefix(_WARNING) for line in self.errors.splitlines() if line.startswith(_WARNING)]


@dataclass(frozen=True)
class Kubectl:
    """kubectl in one namespace, as one user; the admin unless said otherwise."""

    cluster: Cluster
    namespace: str

    def __call__(
        self,
        *arguments: str,
        stdin: str | None = None,
        user: str = "",
        environment: dict[str, str] | None = None,
        allowed_codes: tuple[int, ...] = (0,),
    ) -> Said:
        """Run a command; a user is given every right."""
        impersonation = [f"--as={user}", "--as-group=system:masters"] if user else []
        done = subprocess.run(
            [str(bin_dir() / "kubectl"), "-n", self.namespace, *impersonation, *arguments],
            input=stdin,
            env=os.environ | {"KUBECONFIG": str(self.cluster.kubeconfig)} | (environment or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in allowed_codes, f"{done.args}: {done.stdout}{done.stderr}"
        return Said(done.stdout, done.stderr, done.returncode)

    def apply(self, *objects: dict[str, Any], flags: tuple[str, ...] = (), user: str = "") -> Said:
        """Apply objects."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self("apply", "-f", "-", *flags, stdin=json.dumps(listed), user=user)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Read one object."""
        found: dict[str, Any] = json.loads(self("get", kind, name, "-o", "json").output)
        return found

    def mark(self, name: str, kind: str = "deployment") -> Mark | None:
        """Read the mark of a workload."""
        return Mark.read(self.get(kind, name)["metadata"].get("annotations"))


@contextmanager
def scaled_to(cluster: Cluster, deployment: str, replicas: int, *, back_to: int) -> Iterator[None]:
    """Run another number of pods of one of Serin's Deployments for as long as the block lasts."""
    kubectl = Kubectl(cluster, "gloo-system")

    def scale(count: int) -> None:
        kubectl("scale", f"deployment/{deployment}", f"--replicas={count}")
        if count:
            kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=60s")
        else:
            labels = f"app.kubernetes.io/name={deployment}"
            kubectl("wait", "--for=delete", "pod", "-l", labels, "--timeout=60s", allowed_codes=(0, 1))

    scale(replicas)
    try:
        yield
    finally:
        scale(back_to)
