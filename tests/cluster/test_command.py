"""The command `serin` on a cluster: what a developer types around one canary."""

import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.rollout import QUICK_ANALYSIS, Rollouts, canary, podinfo


class Ran(NamedTuple):
    code: int
    stdout: str
    stderr: str


def serin(rollouts: Rollouts, *arguments: str) -> Ran:
    """Run the command as a process of its own, as its users do."""
    started = subprocess.run(
        [sys.executable, "-m", "cli", *arguments, "-n", rollouts.namespace],
        cwd=REPOSITORY,
        env={**os.environ, "KUBECONFIG": str(rollouts.cluster.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(started.returncode, started.stdout, started.stderr)


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def test_a_change_is_waited_for_undone_and_another_one_aborted(rollouts: Rollouts) -> None:
    rollouts.apply(podinfo("app"), canary("app", QUICK_ANALYSIS))
    rollouts.wait_for_phase("app", "Initialized")
    well = serin(rollouts, "doctor", "--wait", "--timeout", "1m")
    assert (well.code, well.stdout.splitlines()[-1].partition(",")[0]) == (0, "0 faults"), well.stdout
    rollouts.set_image("app", "3.1.1")
    waited = serin(rollouts, "status", "app", "--wait", "--image", "podinfo:3.1.1", "--timeout", "2m")
    assert (waited.code, waited.stderr) == (0, "")
    assert "podinfod image 3.1.0 -> 3.1.1, applied by" in waited.stdout
    assert "  Promotion completed! Scaling down app." in waited.stdout

    seen = serin(rollouts, "get", "app").stdout
    assert "├── primary 100%  Deployment app-primary  1/1  stefanprodan/podinfo:3.1.1" in seen
    undone = serin(rollouts, "undo", "app", "--now", "-y")
    assert (undone.code, undone.stderr) == (0, "")
    assert "Changes  podinfod image 3.1.1 -> 3.1.0\n" in undone.stdout
    assert serin(rollouts, "status", "app", "--wait", "--timeout", "2m").code == 0
    image = rollouts.get("deployment", "app-primary")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "stefanprodan/podinfo:3.1.0"

    rollouts.apply(canary("app", {"interval": "2s", "stepWeight": 1}))
    rollouts.set_image("app", "3.1.2")
    rollouts.wait_for("it has traffic", lambda: rollouts.status("app")["canaryWeight"] > 0)
    aborted = serin(rollouts, "abort", "app")
    assert (aborted.code, aborted.stderr) == (0, "")
    assert aborted.stdout.startswith("rolling app back to its primary (abort@")
    assert serin(rollouts, "status", "app", "--wait", "--timeout", "2m").code == 1
    outcomes = [line.split()[1] for line in serin(rollouts, "history", "app").stdout.splitlines()]
    assert outcomes == ["OUTCOME", "rolled", "promoted", "promoted", "promoted"]
