"""The faults that `make faults` plays, one by one: each returns when it is over."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from signal import SIGCONT, SIGSTOP
from typing import Any, Final

from tests.support.api import merge_patch
from tests.support.faults.scene import Scene
from tests.support.gloo_stopped import gloo_stopped

# Ten thousand a minute.
_CHANGES_S: Final = 167
_OTHERS: Final = 50

Fault = Callable[[Scene, float], None]


@dataclass(frozen=True)
class Case:
    """`injected` is how many requests the fault itself may cost users. `lasts_s`, if any, in place of a minute.

    `is_alone`: it is one of the whole cluster, so nothing else is played meanwhile.
    """

    name: str
    fault: Fault
    injected: int = 0
    lasts_s: float = 0.0
    is_alone: bool = False


def switched(proxies: str, **changes: Any) -> Fault:
    """Set switches of the proxies before the API server (`api`), `metrics` or `hooks`."""

    def fault(at: Scene, lasts_s: float) -> None:
        names = tuple(at.agents) if proxies == "api" else (proxies,)
        at.proxies.switch_all(*names, **changes)
        time.sleep(lasts_s)
        calm = {"retry_after_s": None, "value": ""}
        at.proxies.switch_all(*names, **{key: calm.get(key, 0) for key in changes})

    return fault


def leader_killed(at: Scene, lasts_s: float) -> None:
    """Kill whoever leads, three times over; who died is started again after its follower has led for a while."""
    for _ in range(3):
        leader = at.holder()
        at.agents[leader].kill()
        at.rollouts.wait_for("the other leads", lambda: at.holder() not in {"", leader})  # noqa: B023
        time.sleep(lasts_s / 6)
        at.agents[leader].process = at.agents[leader].start()


def leader_stopped(at: Scene, lasts_s: float) -> None:
    """Stop whoever leads, then let it go on: both are alive, and one leads."""
    leader = at.holder()
    at.agents[leader].signal(SIGSTOP)
    time.sleep(lasts_s)
    assert at.holder() != leader, "nobody took over"
    before = at.proxies.written(leader)
    at.agents[leader].signal(SIGCONT)
    time.sleep(10)
    assert at.proxies.written(leader)[len(before) :] == [], "the deposed one wrote"


def suspended(*matched: str) -> Fault:
    """Stop a process of the cluster, as `pkill` finds it: it takes connections, and nobody is answered."""

    def fault(at: Scene, lasts_s: float) -> None:
        at.cluster.run("pkill", "-STOP", *matched)
        try:
            time.sleep(lasts_s)
        finally:
            at.cluster.run("pkill", "-CONT", *matched)

    return fault


def etcd_compacted(at: Scene, lasts_s: float) -> None:
    """Have the API server forget what was before, again and again: each watch that is opened then is too old.

    It keeps its last events itself, so compacting etcd would show nothing: it is asked for those of its beginning.
    """

    def forgotten() -> dict[str, int]:
        return {name: at.proxies.switch(name)["made"].get("410 of the API server", 0) for name in at.agents}

    give_up_at_s = time.monotonic() + lasts_s
    while time.monotonic() < give_up_at_s:
        before = forgotten()
        at.proxies.switch_all(*at.agents, is_down=True, is_forgotten=True)
        at.cluster.kubectl("-n", at.rollouts.namespace, "annotate", "canary", "app", f"n={time.time()}", "--overwrite")
        at.proxies.switch_all(*at.agents, is_down=False)
        at.rollouts.wait_for(
            "watches are too old",
            lambda: all(count > before[name] for name, count in forgotten().items()),  # noqa: B023
        )
        at.proxies.switch_all(*at.agents, is_forgotten=False)
        time.sleep(10)


def gloo_gone(at: Scene, lasts_s: float) -> None:
    """Stop Gloo's control plane; Envoy serves what it has."""
    with gloo_stopped(at.cluster):
        time.sleep(lasts_s)


def gloo_slow(at: Scene, lasts_s: float) -> None:
    """Let Gloo take long for each change."""
    switch = ("-n", "gloo-system", "configmap", "sandbox-gloo")
    at.cluster.kubectl("create", *switch, "--from-literal=delays=slow")
    try:
        time.sleep(lasts_s)
    finally:
        at.cluster.kubectl("delete", *switch)


def gloo_refuses(at: Scene, lasts_s: float) -> None:
    """Let Gloo reject the table: somebody has added a route that leads nowhere."""

    def patch(operation: str, path: str, **value: Any) -> None:
        text = json.dumps([{"op": operation, "path": path} | value])
        at.cluster.kubectl("-n", at.rollouts.namespace, "patch", "routetable", "app", "--type=json", "-p", text)

    patch("add", "/spec/routes/-", value={"matchers": [{"prefix": "/theirs"}]})
    time.sleep(lasts_s)
    patch("remove", f"/spec/routes/{len(at.rollouts.get('routetable', 'app')['spec']['routes']) - 1}")


def clocks_jump(at: Scene, lasts_s: float) -> None:
    """Set the clock of the leader alone an hour ahead, then an hour back, then right."""
    leader = at.agents[at.holder()]
    for ahead_s in (3600.0, -3600.0, 0.0):
        leader.set_clock(ahead_s)
        time.sleep(lasts_s / 3)


def others_change(at: Scene, lasts_s: float) -> None:
    """Change Deployments that no canary names ten thousand times a minute, or as often as the machine does."""
    namespace, kubeconfig = at.rollouts.namespace, at.cluster.kubeconfig
    names = [f"other-{number}" for number in range(_OTHERS)]
    for name in names:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        at.rollouts.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec})
    began_at_s, sent, before = time.monotonic(), 0, at.rss_mib()

    def change(number: int) -> None:
        body = {"metadata": {"annotations": {"changed": str(number)}}}
        merge_patch(kubeconfig, namespace, "deployment", names[number % _OTHERS], body)

    with ThreadPoolExecutor(8) as users:
        while (elapsed_s := time.monotonic() - began_at_s) < lasts_s:
            due = round(elapsed_s * _CHANGES_S) - sent
            list(users.map(change, range(sent, sent + due)))
            sent += due
            time.sleep(0.05)
    took_s = time.monotonic() - began_at_s
    grown = {name: after - before[name] for name, after in at.rss_mib().items()}
    at.figures |= {"changes_a_minute": round(sent / took_s * 60), "grown_mib": grown}
    assert max(grown.values()) < 10, at.figures


def node_gone(at: Scene, lasts_s: float) -> None:
    """Take the primary's pods away, and let them find no node: once analysed, the other side gets all the traffic."""
    at.cluster.kubectl("cordon", "sandbox")
    try:
        pods = ("-n", at.rollouts.namespace, "delete", "pods", "-l", "app=app-primary", "--force", "--grace-period=0")
        at.cluster.kubectl(*pods)
        at.rollouts.wait_for("the side that serves has all", lambda: at.rollouts.weights("app") == (0, 100), 180)
        at.rollouts.see_stay(lambda: at.rollouts.weights("app"), (0, 100), lasts_s)
    finally:
        at.cluster.kubectl("uncordon", "sandbox")


def broken_by_hand(at: Scene, lasts_s: float) -> None:
    """Store a Canary that is none, delete the RouteTable, and edit a Service."""
    undecodable = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "broken"}}
    spec = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}, "provider": "istio"}
    at.rollouts.apply_unseen(undecodable | {"spec": spec | {"service": {"port": 80}}})
    kubectl = ("-n", at.rollouts.namespace)
    at.cluster.kubectl(*kubectl, "delete", "routetable", "app")
    at.rollouts.wait_for("the table is back", lambda: bool(at.rollouts.get("routetable", "app")), 30)
    patch = json.dumps({"spec": {"selector": {"app": "nobody"}}})
    at.cluster.kubectl(*kubectl, "patch", "service", "app-canary", "-p", patch)

    def is_put_right() -> bool:
        return bool(at.rollouts.get("service", "app-canary")["spec"]["selector"] == {"app": "app"})

    at.rollouts.wait_for("the Service is as it was", is_put_right, 30)
    time.sleep(lasts_s / 6)


CASES: Final = (
    Case("leader killed", leader_killed),
    Case("leader stopped, then both alive", leader_stopped),
    Case("API server down", switched("api", is_down=True)),
    Case("API server stopped", suspended("-x", "kube-apiserver"), is_alone=True),
    Case("etcd compacted", etcd_compacted),
    Case("429 storm", switched("api", retry_after_s=2.0)),
    Case("every fifth write 409", switched("api", nth_write=5, write_code=409)),
    Case("every fifth write 500 after its effect", switched("api", nth_write=5, write_code=500, is_after=True)),
    Case("watches silently dead", switched("api", is_silent=True), lasts_s=120.0),
    Case("API server slow", switched("api", delay_s=3.0)),
    Case("Prometheus down", switched("metrics", is_down=True)),
    Case("Prometheus slow", switched("metrics", delay_s=15.0)),
    Case("Prometheus says NaN", switched("metrics", value="NaN")),
    Case("load tester down", switched("hooks", is_down=True)),
    Case("Gloo gone", gloo_gone, is_alone=True),
    Case("Gloo slow", gloo_slow, is_alone=True),
    Case("Gloo refuses", gloo_refuses, is_alone=True),
    Case("clock of the leader jumps", clocks_jump),
    Case("names do not resolve", suspended("-f", "sandbox.dns"), is_alone=True),
    Case("ten thousand changes of others", others_change, is_alone=True),
    # Fifty requests a second, until the gateway no longer sends to pods that are gone: the fault is theirs.
    Case("node gone with the primary's pods", node_gone, injected=10_000, is_alone=True),
    Case("broken by hand", broken_by_hand, injected=500),
)
