"""Releases on a sandbox cluster: Helm as a platform engineer types it, and what a phase of a release cost the users."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.paths import bin_dir
from tests.support.api import create
from tests.support.charts import CHARTS
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.load import assert_no_request_lost, lost_requests, sent_requests, steady_load
from tests.support.patience import PATIENCE_S
from tests.support.rollout import canary

NAMESPACE = "gloo-system"
SERIN = str(CHARTS / "serin")

# The guide's own line, less what is installed and where from.
GUIDE = (f"--namespace={NAMESPACE}", "--set=prometheus.install=true", "--set=meshProvider=gloo")
# What the sandbox changes of it, and a webhook that is waited for on a machine that may stand still for seconds.
HERE = (f"--values={REPOSITORY / 'sandbox' / 'serin' / 'values.yaml'}", "--set=webhook.timeoutSeconds=15")

DEPLOYMENTS = ("flagger-prometheus", "serin-agent", "serin-webhook", "serin-webhook-authority")
_FIGURES = REPOSITORY / "build" / "helm.json"
_ASK_AGAIN_S = 0.2


@dataclass(frozen=True)
class Helm:
    """Helm 3 or 4 on a cluster; what it keeps for itself goes to `home`."""

    cluster: Cluster
    version: int
    home: Path

    def __call__(self, *arguments: str) -> str:
        """Return what a command says; a refusal fails the test."""
        done = self._run(arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refusal(self, *arguments: str) -> str:
        """Return what it says against a command, in one line; a success fails the test."""
        done = self._run(arguments)
        assert done.returncode != 0, done.stdout
        return " ".join(done.stderr.split())

    def _run(self, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        folders = {f"HELM_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(
            [str(bin_dir() / f"helm{self.version}"), *arguments],
            env=os.environ | folders | {"KUBECONFIG": str(self.cluster.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )


def wait_until_rolled_out(cluster: Cluster) -> None:
    """Wait until the pods of a release are those of its newest values."""
    for name in DEPLOYMENTS:
        cluster.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE_S:g}s")


@contextmanager
def no_request_is_lost(cluster: Cluster, host: str, phase: str) -> Iterator[None]:
    """Send fifty requests a second to `{host}.example.com` as long as the block lasts; all are answered with 200.

    What was sent and lost is written to build/helm.json under the name of the phase.
    """
    with steady_load(cluster, host) as reports:
        yield
    [report] = reports
    figures = json.loads(_FIGURES.read_text()) if _FIGURES.exists() else {}
    figures[phase] = {"requests": sent_requests(report), "failed": lost_requests(report)}
    _FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    assert_no_request_lost(report)


@contextmanager
def admission_answers(cluster: Cluster, namespace: str) -> Iterator[None]:
    """Have a Canary with a fault that only the webhook knows refused all the time that the block lasts."""
    hook = {"name": "acceptance-test", "type": "pre-rollout", "url": "nowhere"}
    faulty, refused, let_in, is_over = canary("faulty", {"webhooks": [hook]}), 0, 0, threading.Event()
    said = ""

    def ask() -> None:
        nonlocal refused, let_in, said
        while not is_over.is_set():
            try:
                create(cluster.kubeconfig, namespace, faulty, dry_run=True)
                let_in += 1
            except AssertionError as error:
                refused, said = refused + 1, str(error)
            is_over.wait(_ASK_AGAIN_S)

    asking = threading.Thread(target=ask, name="reviews")
    asking.start()
    try:
        yield
    finally:
        is_over.set()
        asking.join()
    assert let_in == 0, f"{let_in} let in, {refused} refused"
    assert refused > 0
    assert "denied the request" in said, said
    assert "spec.analysis.webhooks[0].url: found" in said, said
