"""Gloo says that it does not serve a route as meant, or somebody keeps it from being written: the run is held.

It goes on when they are content again, and until then whatever is safe is done nevertheless.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.cluster import Cluster
from tests.support.denying_webhook import SAID
from tests.support.load import assert_no_request_lost, initialize, steady_load
from tests.support.mortal_agent import background
from tests.support.own_metric import OWN_METRIC, own_metric
from tests.support.rewriting_webhook import configuration
from tests.support.rollout import Rollouts, canary, podinfo
from tests.support.self_signed import certificate

# A route that a user added to the table, and forgot to say where it leads. Gloo rejects the whole table.
WITHOUT_ACTION = {"matchers": [{"prefix": "/theirs"}]}
REJECTED = "advancement the gateway refuses its route: 1 error occurred: * invalid route: route must specify an action"

WEBHOOK_PORT = 18443


def virtual_service(namespace: str, *tables: str) -> dict[str, Any]:
    routes = [
        {"matchers": [{"prefix": f"/{table}"}], "delegateAction": {"ref": {"name": table, "namespace": namespace}}}
        for table in tables
    ]
    return {
        "apiVersion": "gateway.solo.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "app"},
        "spec": {"virtualHost": {"domains": [f"{namespace}.example.com"], "routes": routes}},
    }


def neighbours_table() -> dict[str, Any]:
    """Return a table that sends to an Upstream that nobody made."""
    action = {"single": {"upstream": {"name": "no-such-upstream", "namespace": "nowhere"}}}
    return {
        "apiVersion": "gateway.solo.io/v1",
        "kind": "RouteTable",
        "metadata": {"name": "neighbour"},
        "spec": {"routes": [{"inheritablePathMatchers": True, "routeAction": action}]},
    }


def test_what_is_wrong_with_neighbours_holds_nobody(cluster: Cluster, namespace: str) -> None:
    """One VirtualService with a table of ours, one of theirs that is broken, and one that is missing."""
    rollouts = Rollouts(cluster, namespace)
    broken = virtual_service(namespace, "app", "neighbour", "no-such-table")
    rollouts.apply(podinfo("app"), neighbours_table(), broken, canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("Gloo warns our table", lambda: "no-such-upstream" in str(rollouts.get("routetable", "app")))
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
    told = [text for kind, text in rollouts.events("app") if kind == "Warning"]
    assert [text for text in told if "gateway" in text or "acknowledged" in text] == []


@contextmanager
def running(rollouts: Rollouts, **analysis: Any) -> Iterator[list[str]]:
    """Bring a run to its first traffic, under load and with a check that the test can let fail; gives hey's report."""
    rollouts.apply(own_metric(is_passing=True))
    initialize(rollouts, {"metrics": [OWN_METRIC], "threshold": 2} | analysis)
    with steady_load(rollouts.cluster, rollouts.namespace) as reports:
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("it has traffic", lambda: rollouts.weights("app") != (100, 0))
        yield reports


def patch_table(rollouts: Rollouts, operation: str, path: str, **value: Any) -> None:
    patch = json.dumps([{"op": operation, "path": path} | value])
    rollouts.cluster.kubectl("-n", rollouts.namespace, "patch", "routetable", "app", "--type=json", "-p", patch)


@contextmanager
def rejected(rollouts: Rollouts) -> Iterator[None]:
    """Let Gloo reject the table as long as the block lasts."""
    patch_table(rollouts, "add", "/spec/routes/-", value=WITHOUT_ACTION)
    yield
    patch_table(rollouts, "remove", f"/spec/routes/{len(rollouts.get('routetable', 'app')['spec']['routes']) - 1}")


def assert_stays(rollouts: Rollouts, weights: tuple[int, int], for_s: float, phase: str = "Progressing") -> None:
    """See a run and its table stay where they are, with both sides up."""

    def look() -> tuple[str, tuple[int, int], bool]:
        return rollouts.status("app")["phase"], rollouts.weights("app"), is_scaled_down(rollouts)

    rollouts.see_stay(look, (phase, weights, False), for_s)


def is_scaled_down(rollouts: Rollouts) -> bool:
    return bool(rollouts.get("deployment", "app")["spec"]["replicas"] == 0)


def test_a_table_that_gloo_rejects_holds_the_weight_and_goes_back_to_the_primary_on_a_failing_check(
    cluster: Cluster, namespace: str
) -> None:
    rollouts = Rollouts(cluster, namespace)
    # Longer than Gloo takes to tell what it makes of a write.
    with running(rollouts, interval="3s", stepWeight=5, maxWeight=100) as reports:
        with rejected(rollouts):
            rollouts.wait_until_told("app", REJECTED, kind="Warning")
            held = rollouts.weights("app")
            assert_stays(rollouts, held, for_s=4)
        rollouts.wait_for("it goes on", lambda: rollouts.weights("app") != held)
        with rejected(rollouts):
            rollouts.apply(own_metric(is_passing=False))
            rollouts.wait_for_phase("app", "Failed")
            rollouts.wait_for("the table gives all to the primary", lambda: rollouts.weights("app") == (100, 0))
            # Gloo serves what it accepted last, so some of the requests still need the canary side.
            assert_stays(rollouts, (100, 0), for_s=3, phase="Failed")
        rollouts.wait_for("it is scaled down", lambda: is_scaled_down(rollouts))
    assert rollouts.tags_of_primary("app") == {"3.1.0"}
    assert_no_request_lost(reports[0])


@contextmanager
def denied(cluster: Cluster, namespace: str, folder: Path) -> Iterator[None]:
    """Let a validating webhook of the cluster refuse more than a quarter for a canary, as long as the block lasts."""
    crt, key = certificate(folder)
    command = ("python", "-m", "tests.support.denying_webhook", str(crt), str(key), str(WEBHOOK_PORT))
    with background(cluster, *command) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "serving\n"
        made = denier(namespace, crt.read_bytes())
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(made))
        try:
            yield
        finally:
            cluster.kubectl("delete", made["kind"], made["metadata"]["name"])


def denier(namespace: str, bundle: bytes) -> dict[str, Any]:
    rule = {
        "apiGroups": ["gateway.solo.io"],
        "apiVersions": ["v1"],
        "resources": ["routetables"],
        "operations": ["CREATE", "UPDATE"],
    }
    return configuration("Validating", f"deny-{namespace}", namespace, bundle, WEBHOOK_PORT, rule)


def test_a_webhook_that_denies_a_weight_holds_the_run_and_lets_it_roll_back(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    rollouts = Rollouts(cluster, namespace)
    with denied(cluster, namespace, tmp_path), running(rollouts) as reports:
        rollouts.wait_until_told("app", SAID, kind="Warning")
        assert_stays(rollouts, (75, 25), for_s=3)
        rollouts.apply(own_metric(is_passing=False))
        rollouts.wait_for_phase("app", "Failed")
        rollouts.wait_for("it is scaled down", lambda: is_scaled_down(rollouts))
    assert rollouts.weights("app") == (100, 0)
    assert rollouts.tags_of_primary("app") == {"3.1.0"}
    assert_no_request_lost(reports[0])
