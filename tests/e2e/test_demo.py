"""The demo as a user runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.demo.figures import LIMITS
from sandbox.namespace import is_running
from sandbox.paths import REPOSITORY, State

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def _demo(output: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo", "--output", str(output)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_demo_plays_the_guide_and_writes_what_it_saw(tmp_path: Path) -> None:
    demo = _demo(tmp_path)
    text, _ = demo.communicate()
    assert demo.returncode == 0, text
    written = json.loads((tmp_path / "demo.json").read_text())
    acts = {act["name"]: act for act in written["acts"]}
    assert list(acts) == ["bootstrap", "promotion"]
    assert all(act["ok"] and act["problems"] == [] for act in acts.values())
    assert acts["bootstrap"]["seen"]["weights"] == [0]
    assert acts["promotion"]["seen"]["weights"] == [10, 20, 30, 40, 50, 0]
    assert acts["promotion"]["seen"]["end"]["primary image"] == "stefanprodan/podinfo:3.1.1"
    assert acts["promotion"]["seen"]["events"][-1] == "Promotion completed! Scaling down podinfo.test"
    assert written["figures"].keys() == LIMITS.keys()
    assert all(limit.holds(written["figures"][name]) for name, limit in LIMITS.items())
    assert "$ kubectl -n test set image deployment/podinfo podinfod=stefanprodan/podinfo:3.1.1" in text
    assert "✔ request-success-rate   100.00 % ≥ 99" in text
    assert not is_running(State(tmp_path / "demo-sandbox"))


def test_an_interrupted_demo_takes_its_cluster_down(tmp_path: Path) -> None:
    demo = _demo(tmp_path)
    assert demo.stdout is not None
    for line in demo.stdout:
        if "kubectl create ns test" in line:
            break
    demo.send_signal(signal.SIGINT)
    rest = demo.stdout.read()
    assert demo.wait() == 130, rest
    assert "Traceback" not in rest
    assert not is_running(State(tmp_path / "demo-sandbox"))
