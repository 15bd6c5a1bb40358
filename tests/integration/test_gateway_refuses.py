"""Gloo says that it does not serve a route as meant: the run is held, and goes on when Gloo is content again."""

from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.rollout import Rollouts, canary, podinfo

pytestmark = pytest.mark.sandbox


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


def test_a_warning_on_the_virtual_service_holds_the_run_and_tells_why(cluster: Cluster, namespace: str) -> None:
    rollouts = Rollouts(cluster, namespace)
    rollouts.apply(podinfo("app"), virtual_service(namespace, "app"), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.apply(virtual_service(namespace, "app", "no-such-table"))
    rollouts.wait_for("Gloo warns", lambda: "no-such-table" in str(rollouts.get("virtualservice", "app").get("status")))
    rollouts.set_image("app", "3.1.1")

    def is_told() -> bool:
        return any(
            "gateway refuses its route" in text and "no-such-table" in text for _, text in rollouts.events("app")
        )

    rollouts.wait_for("the hold is told", is_told)
    status = rollouts.status("app")
    assert (status["phase"], status["canaryWeight"]) == ("Progressing", 0)
    rollouts.apply(virtual_service(namespace, "app"))
    rollouts.wait_for_phase("app", "Succeeded", deadline_s=90)
