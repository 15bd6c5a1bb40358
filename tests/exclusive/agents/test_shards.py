"""Two agents lead a shard each; one that stands still is taken over from, and gets a shard back when it goes on."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.shards.assignment import shard_of
from tests.support.cluster import Cluster
from tests.support.rollout import Rollouts, canary, podinfo

pytestmark = pytest.mark.long

_SIGNAL = """
for pid in $(pgrep -f '^python -m agent --metrics-server'); do
  tr '\\0' '\\n' < /proc/$pid/environ | grep -qx POD_UID=%s && kill -%s $pid
done
"""


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


@contextmanager
def two_leaders(rollouts: Rollouts) -> Iterator[None]:
    """Let two agents share the namespaces; afterwards one leads them all again."""
    kubectl = rollouts.cluster.kubectl
    names = ["serin-agent", "serin-agent.shard-0", "serin-agent.shard-1", "serin-agent.waiting"]
    before = json.loads(kubectl("-n", "gloo-system", "get", "deployment", "serin-agent", "-o", "json"))["spec"]
    arguments = before["template"]["spec"]["containers"][0]["args"]

    def put(args: list[str], replicas: int, leases: list[str]) -> None:
        role = [{"op": "replace", "path": "/rules/1/resourceNames", "value": leases}]
        kubectl("-n", "gloo-system", "patch", "role", "serin-agent-lease", "--type=json", "-p", json.dumps(role))
        changes = [
            {"op": "replace", "path": "/spec/replicas", "value": replicas},
            {"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": args},
        ]
        kubectl("-n", "gloo-system", "patch", "deployment", "serin-agent", "--type=json", "-p", json.dumps(changes))
        kubectl("-n", "gloo-system", "rollout", "status", "deployment/serin-agent", "--timeout=120s")

    put([*arguments, "--shards=2"], 2, names)
    try:
        yield
    finally:
        put(arguments, before["replicas"], names[:1])
        rollouts.wait_for("one leads", lambda: "leaders" not in holder(rollouts, "serin-agent"), deadline_s=90)


def holder(rollouts: Rollouts, lease: str) -> str:
    path = "jsonpath={.spec.holderIdentity}"
    return rollouts.cluster.try_kubectl("-n", "gloo-system", "get", "lease", lease, "-o", path).stdout.strip()


def leaders(rollouts: Rollouts) -> list[str]:
    return [holder(rollouts, f"serin-agent.shard-{shard}") for shard in (0, 1)]


def signal(rollouts: Rollouts, identity: str, name: str) -> None:
    """Send a signal to the agent that is called so in its Leases: by its pod's uid."""
    rollouts.cluster.run("sh", "-c", _SIGNAL % (identity.rpartition("_")[2], name) + "true")


def test_a_run_goes_on_when_the_leader_of_its_shard_stands_still(rollouts: Rollouts) -> None:
    with two_leaders(rollouts):
        rollouts.wait_for("each leads one", lambda: all(leaders(rollouts)) and len(set(leaders(rollouts))) == 2)
        assert holder(rollouts, "serin-agent") == "2 leaders"
        rollouts.apply(podinfo("app"), canary("app"))
        rollouts.wait_for_phase("app", "Initialized")
        stopped = leaders(rollouts)[shard_of(rollouts.namespace, 2)]
        signal(rollouts, stopped, "STOP")
        stopped_at_s = time.monotonic()
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("the other one leads both", lambda: stopped not in leaders(rollouts), deadline_s=60)
        print(f"taken over {time.monotonic() - stopped_at_s:.1f} s after SIGSTOP")
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
        signal(rollouts, stopped, "CONT")
        rollouts.wait_for("it gets one back", lambda: len(set(leaders(rollouts))) == 2, deadline_s=90)
