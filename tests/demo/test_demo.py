"""The demo as a user runs it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo.figures import LIMITS
from sandbox.namespace import is_running
from sandbox.paths import REPOSITORY, State

pytestmark = [pytest.mark.timeout(540)]


HALTS = {
    "rollback-500": "success rate ",
    "rollback-latency": "request duration ",
    "rollback-404": "404s percentage ",
}


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
    assert list(acts) == [
        "bootstrap",
        "promotion",
        "restart",
        "rollback-500",
        "rollback-latency",
        "rollback-404",
        "agent-killed",
        "refused",
        "grafana",
    ]
    assert all(act["ok"] and act["problems"] == [] for act in acts.values())
    assert_runs_are_seen({name: act["seen"] for name, act in acts.items()})
    assert written["figures"].keys() == LIMITS.keys()
    assert all(limit.holds(written["figures"][name]) for name, limit in LIMITS.items())
    assert written["figures"]["requests"] > 50 * 2 * acts["promotion"]["seconds"] * 3
    assert written["lost"] == []
    assert sum(act["seconds"] for act in acts.values()) < 330
    assert "$ kubectl -n test set image deployment/podinfo podinfod=stefanprodan/podinfo:3.1.1" in text
    assert "✔ request-success-rate   100.00 % ≥ 99" in text
    assert "✘ 404s percentage" in text
    assert not is_running(State(tmp_path / "demo-sandbox"))


def assert_runs_are_seen(seen: dict[str, dict[str, Any]]) -> None:
    assert seen["bootstrap"]["weights"] == [0]
    assert seen["promotion"]["weights"] == seen["agent-killed"]["weights"] == [10, 20, 30, 40, 50, 0]
    assert seen["promotion"]["events"][-1] == "Promotion completed! Scaling down podinfo.test"
    assert seen["restart"]["weights"][-7:] == [0, 10, 20, 30, 40, 50, 0]
    restarted = "New revision detected! Restarting analysis for podinfo.test: podinfod image 3.1.2 -> 3.1.3"
    assert f"{restarted}, applied by admin" in seen["restart"]["events"]
    assert seen["refused"]["end"]["faulty canary"] == "refused, with all its faults"
    images = {name: act["end"].get("primary image") for name, act in seen.items()}
    assert images["promotion"] == "stefanprodan/podinfo:3.1.1"
    assert images["restart"] == "stefanprodan/podinfo:3.1.3"
    for name, halt in HALTS.items():
        events = seen[name]["events"]
        assert sum(text.startswith(f"Halt podinfo.test advancement {halt}") for text in events) == 5
        assert events[-2:] == [
            "Rolling back podinfo.test failed checks threshold reached 5",
            "Canary failed! Scaling down podinfo.test",
        ]
        assert seen[name]["weights"][-1] == 0
        assert (seen[name]["end"]["STATUS"], seen[name]["end"]["canary replicas"]) == ("Failed", "0")
        assert images[name] == images["restart"]
    assert seen["agent-killed"]["end"]["agent restarts"] == "1"
    assert images["agent-killed"] == "stefanprodan/podinfo:3.1.7"


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
