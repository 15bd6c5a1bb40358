"""The demo as a user runs it: what it shows and writes is what the guide shows."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo.figures import LIMITS
from sandbox.namespace import is_running
from sandbox.paths import REPOSITORY, State
from tests.demo.guide_events import EXPECTED, FROM_GUIDE, first_missing, follows

pytestmark = [pytest.mark.timeout(540)]


PROMOTED = [10, 20, 30, 40, 50, 0]
# The guide's listing of the objects, applied and generated, and the two Upstreams, which it leaves out.
OBJECTS = {
    "deployment.apps/podinfo",
    "horizontalpodautoscaler.autoscaling/podinfo",
    "virtualservice.gateway.solo.io/podinfo",
    "canary.flagger.app/podinfo",
    "deployment.apps/podinfo-primary",
    "horizontalpodautoscaler.autoscaling/podinfo-primary",
    "service/podinfo",
    "service/podinfo-canary",
    "service/podinfo-primary",
    "routetable.gateway.solo.io/podinfo",
    "upstream.gloo.solo.io/test-podinfo-primaryupstream-9898",
    "upstream.gloo.solo.io/test-podinfo-canaryupstream-9898",
}
FAULTS = (
    "spec.analysis.interval",
    "spec.analysis.stepWeights[1]",
    "spec.analysis.metrics[0].thresholdRange",
    "spec.analysis.webhooks[0].url",
)


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
    assert list(acts) == list(EXPECTED)
    assert all(act["ok"] and act["problems"] == [] for act in acts.values())
    seen = {name: act["seen"] for name, act in acts.items()}
    assert_events_are_those_of_the_guide({name: act["events"] for name, act in seen.items()})
    assert_weights_are_those_of_the_guide({name: act["weights"] for name, act in seen.items()})
    assert_ends_are_those_of_the_guide({name: act["end"] for name, act in seen.items()})
    assert_shown(text)
    assert written["figures"].keys() == LIMITS.keys()
    assert all(limit.holds(written["figures"][name]) for name, limit in LIMITS.items())
    assert written["figures"]["requests"] > 50 * 2 * acts["promotion"]["seconds"] * 3
    assert written["lost"] == []
    assert written["install"] == "kustomize"
    assert written["minutes_to_first_promotion"].keys() == {"warm"}
    assert sum(act["seconds"] for act in acts.values()) < 330
    assert not is_running(State(tmp_path / "demo-sandbox"))


def assert_events_are_those_of_the_guide(events: dict[str, list[str]]) -> None:
    for name, expected in EXPECTED.items():
        assert follows(expected, events[name]), f"{name}: {events[name]}"
    for name, guide in FROM_GUIDE.items():
        assert first_missing(guide, events[name]) is None, f"{name}: {events[name]}"
    change = "podinfod image 3.1.2 -> 3.1.3, applied by admin"
    assert f"New revision detected! Restarting analysis for podinfo.test: {change}" in events["restart"]


def assert_weights_are_those_of_the_guide(weights: dict[str, list[int]]) -> None:
    assert weights["bootstrap"] == [0]
    assert weights["promotion"] == weights["agent-killed"] == weights["broken-neighbour"] == PROMOTED
    assert weights["restart"][:2] == [10, 20]
    assert weights["restart"][-7:] == [0, *PROMOTED]
    assert set(weights["undone"]) <= {10, 0}, "promoted before its first step, or at it"
    for name, least in (("rollback-500", 2), ("rollback-latency", 1), ("rollback-404", 2)):
        *steps, last = weights[name]
        assert steps == PROMOTED[: len(steps)]
        assert len(steps) >= least
        assert last == 0


def assert_ends_are_those_of_the_guide(ends: dict[str, dict[str, Any]]) -> None:
    def end(status: str, tag: str, failed_checks: int = 0) -> dict[str, Any]:
        image = f"stefanprodan/podinfo:{tag}"
        return {"STATUS": status, "failed checks": failed_checks, "primary image": image, "canary replicas": 0}

    assert ends["bootstrap"] == end("Initialized", "3.1.0")
    assert ends["promotion"] == end("Succeeded", "3.1.1")
    assert ends["restart"] == end("Succeeded", "3.1.3")
    for name in ("rollback-500", "rollback-latency", "rollback-404"):
        assert ends[name] == end("Failed", "3.1.3", failed_checks=5)
    assert ends["agent-killed"] == end("Succeeded", "3.1.7")
    assert ends["broken-neighbour"] == end("Succeeded", "3.1.8")
    assert ends["undone"] == ends["refused"] == end("Succeeded", "3.1.7")


def assert_shown(text: str) -> None:
    """What only the commands' output has: the guide's listings, the admission webhook's words, a restarted agent."""
    lines = {line.strip() for line in text.splitlines()}
    assert lines >= OBJECTS
    listed = re.findall(
        r"NAME +STATUS +WEIGHT +LASTTRANSITIONTIME\n +podinfo +(\w+) +(\d+) +\d{4}-\d\d-\d\dT\S+Z\n", text
    )
    ended = ["Initialized", *["Succeeded"] * 2, *["Failed"] * 3, *["Succeeded"] * 4]
    assert listed == [(status, "0") for status in ended]
    assert "$ kubectl -n test set image deployment/podinfo podinfod=stefanprodan/podinfo:3.1.1" in text
    warned = re.findall(r"Warning: Canary test/podinfo (.+): revision \w+ \(podinfod image (\S+) -> (\S+)\)\.", text)
    tags = [(f"3.1.{number}", f"3.1.{number + 1}") for number in range(8)]
    assert [(before, after) for _, before, after in warned] == tags
    assert {what for what, *_ in warned} == {"starts a run", "starts its analysis again"}
    assert re.search(r"serin-agent-\S+ +1/1 +Running +1 ", text), "the agent was killed once"
    assert "*v1.Upstream { neighbour.no-such-upstream } not found" in text, "Gloo warns our own table of it"
    assert all(f"* {fault}: found" in text for fault in FAULTS)
    assert "$ serin status podinfo -n test --wait" in text
    assert "$ serin undo podinfo -n test --now --yes" in text
    assert re.search(r"Changes +podinfod image 3\.1\.8 -> 3\.1\.7", text), "undo says what it changes"


def test_an_interrupted_demo_takes_its_cluster_down(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "kubectl create ns test" in line:
                break
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
    assert demo.returncode == 130, rest
    assert "Traceback" not in rest
    assert not is_running(State(tmp_path / "demo-sandbox"))
