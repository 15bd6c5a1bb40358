"""Hundreds of images changed at once: no restart of the agent, its Lease kept, every event written, every run promoted.

The pods are hollow: what is at work is the agent, and the API server that it shares with everybody.
"""

import json
import os
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest
import urllib3

from sandbox.node.hollow import ANNOTATION
from tests.support.api import read
from tests.support.cluster import Cluster
from tests.support.load import virtual_service as routed
from tests.support.rollout import Rollouts, canary, podinfo

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

COUNT: Final = int(os.environ.get("SERIN_MANY", "300"))

_USERS: Final = 4
_INITIALIZED_WITHIN_S: Final = 1200.0
_PROMOTED_WITHIN_S: Final = 1800.0

_COUNTED: Final = re.compile(r"^apiserver_request_total\{(.*)\} (\S+)$", re.MULTILINE)
_WRITES: Final = ("POST", "PUT", "PATCH", "APPLY")
_OURS: Final = ("canaries", "routetables", "upstreams", "services", "deployments", "events", "leases")


def hollow(name: str) -> dict[str, Any]:
    made = podinfo(name)
    made["spec"]["template"]["metadata"]["annotations"] = {ANNOTATION: "true"}
    return made


def virtual_service(namespace: str, name: str) -> dict[str, Any]:
    """Route a host of its own to a canary's RouteTable."""
    made = routed(namespace, name)
    made["spec"]["virtualHost"]["domains"] = [f"{name}.{namespace}.example.com"]
    return made


def objects(namespace: str, name: str) -> list[dict[str, Any]]:
    """Return what one user applies."""
    return [hollow(name), virtual_service(namespace, name), canary(name, {"interval": "5s", "metrics": []})]


class Agent:
    """What may not happen to the agent, as it was when this was made."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.at_first = self.life()

    def life(self) -> tuple[list[tuple[str, int]], str, int]:
        """Return its pods with their restarts, who holds the Lease, and how often that went to another holder."""
        pods = self._read("get", "pods", "-l", "app.kubernetes.io/name=serin-agent")["items"]
        restarts = [
            (pod["metadata"]["name"], one["restartCount"]) for pod in pods for one in pod["status"]["containerStatuses"]
        ]
        lease = self._read("get", "lease", "serin-agent")["spec"]
        return restarts, lease["holderIdentity"], lease["leaseTransitions"]

    def complaints(self) -> list[str]:
        """Return what its log says of lost things."""
        log = self._cluster.kubectl("-n", "gloo-system", "logs", "deployment/serin-agent")
        return [line for line in log.splitlines() if re.search(r"was lost|event lost|were not written|: lost", line)]

    def _read(self, *arguments: str) -> dict[str, Any]:
        text = self._cluster.kubectl("-n", "gloo-system", *arguments, "-o", "json")
        found: dict[str, Any] = json.loads(text)
        return found


def writes(cluster: Cluster) -> Counter[str]:
    """Return how many writes of each kind the API server has had, whoever sent them."""
    found: Counter[str] = Counter()
    for labels, value in _COUNTED.findall(cluster.kubectl("get", "--raw", "/metrics")):
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        if named["verb"] in _WRITES and named["resource"] in _OURS:
            found[f"{named['verb']} {named['resource']} {named['subresource']}".strip()] += int(float(value))
    return found


def news_of(canary: str) -> tuple[str, ...]:
    """Return the texts of a whole run."""
    return (
        f"New revision detected! Scaling up {canary}: podinfod image 3.1.0 -> 3.1.1, applied by admin",
        f"Starting canary analysis for {canary}",
        f"Advance {canary} canary weight 25",
        f"Advance {canary} canary weight 50",
        f"Promotion completed! Scaling down {canary}",
    )


def told_of(rollouts: Rollouts, expected: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Return how many events of each expected text there are about each canary."""
    told: dict[str, dict[str, int]] = {name: {} for name in expected}
    for event in read(rollouts.cluster.kubeconfig, rollouts.namespace, "event")["items"]:
        name, text = event["involvedObject"]["name"], event["message"]
        if text in expected.get(name, ()):
            told[name][text] = told[name].get(text, 0) + 1
    return told


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def phases(rollouts: Rollouts) -> Counter[str]:
    found = read(rollouts.cluster.kubeconfig, rollouts.namespace, "canary")["items"]
    return Counter((one.get("status") or {}).get("phase", "") for one in found)


def wait_until_all_are(rollouts: Rollouts, phase: str, within_s: float) -> float:
    """Wait until every canary is in a phase; return how long that took."""
    started_s = time.monotonic()
    while phases(rollouts) != {phase: COUNT}:
        assert time.monotonic() < started_s + within_s, f"after {within_s:g} s: {phases(rollouts)}"
        time.sleep(1.0)
    return time.monotonic() - started_s


def test_all_of_many_images_that_are_changed_at_once_are_promoted_by_one_agent_that_loses_nothing(
    cluster: Cluster, rollouts: Rollouts, record_property: Any
) -> None:
    names = [f"app-{number}" for number in range(COUNT)]
    with ThreadPoolExecutor(_USERS) as users:
        list(users.map(lambda name: rollouts.apply(*objects(rollouts.namespace, name)), names))
        started = wait_until_all_are(rollouts, "Initialized", _INITIALIZED_WITHIN_S)

        agent, before = Agent(cluster), writes(cluster)
        began_s = time.monotonic()
        list(users.map(lambda name: rollouts.set_image(name, "3.1.1"), names))
        changed_s = time.monotonic() - began_s
        promoted_s = wait_until_all_are(rollouts, "Succeeded", _PROMOTED_WITHIN_S)
    spent = {kind: round(count / COUNT, 1) for kind, count in (writes(cluster) - before).items()}
    figures = {"initialized_s": started, "changed_s": changed_s, "promoted_s": promoted_s, "writes_each": spent}
    lag = urllib3.request("GET", f"{cluster.endpoints['agent']}/metrics").data.decode()
    figures["lag"] = re.findall(r'serin_event_loop_lag_seconds_bucket\{le="(\S+)"\} (\S+)', lag)
    record_property("figures", figures)
    print(json.dumps(figures, indent=1))

    assert agent.life() == agent.at_first
    assert agent.complaints() == []
    # The last events of hundreds of runs may be some seconds behind their statuses.
    expected = {name: dict.fromkeys(news_of(f"{name}.{rollouts.namespace}"), 1) for name in names}
    rollouts.wait_for("each event is written", lambda: told_of(rollouts, expected) == expected)
