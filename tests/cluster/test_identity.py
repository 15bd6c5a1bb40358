"""Who a side is, edited on a cluster under load: the users stay on the pods that serve them, whatever is named anew."""

import json
from typing import Any

from tests.support.cluster import Cluster
from tests.support.load import assert_no_request_lost, initialize, steady_load
from tests.support.rollout import Rollouts, podinfo


def patch_spec(rollouts: Rollouts, *, is_seen: bool = True, **fields: Any) -> None:
    """Edit the spec; where it is not to be seen, as while the webhook is away."""
    unseen = ("--as=system:serviceaccount:gloo-system:serin-agent", "--as-group=system:masters")
    patch, flags = json.dumps({"spec": fields}), () if is_seen else unseen
    rollouts.cluster.kubectl("-n", rollouts.namespace, "patch", "canary", "app", "--type=merge", "-p", patch, *flags)


def with_label(value: str, tag: str) -> dict[str, Any]:
    target = podinfo("app", tag=tag)
    target["spec"]["selector"]["matchLabels"] = {"app": value}
    target["spec"]["template"]["metadata"]["labels"] = {"app": value}
    return target


def make_again(rollouts: Rollouts, target: dict[str, Any]) -> None:
    rollouts.cluster.kubectl("-n", rollouts.namespace, "delete", "deployment", "app")
    rollouts.apply(target)


def selectors(rollouts: Rollouts, *services: str) -> list[dict[str, str]]:
    return [rollouts.get("service", name)["spec"]["selector"] for name in services]


def ready(rollouts: Rollouts) -> tuple[str, str]:
    condition = rollouts.condition("app", "Ready")
    return condition.get("status", ""), condition.get("reason", "")


def test_edits_of_identity_leave_the_users_on_the_primary_that_serves_them(cluster: Cluster, namespace: str) -> None:
    rollouts = Rollouts(cluster, namespace)
    initialize(rollouts, {"stepWeight": 2})
    of_primary = {"app": "app-primary"}
    with steady_load(cluster, namespace) as reports:
        # Another name of the Services, in mid-run: the VirtualService still leads to the table of the old one.
        rollouts.set_image("app", "3.1.1")
        rollouts.wait_for("it has traffic", lambda: rollouts.status("app")["canaryWeight"] > 0)
        patch_spec(rollouts, service={"name": "shop", "port": 9898})
        rollouts.wait_for("it is named anew", lambda: rollouts.status("app")["serin"]["names"]["service"] == "shop")
        assert rollouts.status("app")["phase"] == "Failed"
        rollouts.wait_for("the new table is there", lambda: bool(rollouts.get("routetable", "shop")))
        assert rollouts.weights("app") == rollouts.weights("shop") == (100, 0)
        assert selectors(rollouts, "app", "app-primary", "shop", "shop-primary") == [of_primary] * 4

        # The target made again with another label; then another target behind the same Services.
        make_again(rollouts, with_label("app-v2", "3.1.2"))
        rollouts.wait_for("it is unusable", lambda: ready(rollouts) == ("False", "TargetUnusable"))
        rollouts.apply(podinfo("other"))
        other = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"}
        patch_spec(rollouts, is_seen=False, targetRef=other)
        rollouts.wait_for("it is held", lambda: ready(rollouts) == ("False", "TargetChanged"))
        assert selectors(rollouts, "app", "app-primary", "shop", "shop-primary") == [of_primary] * 4

        # Put back, it goes on, and both tables lead to what is promoted.
        patch_spec(rollouts, targetRef=other | {"name": "app"})
        make_again(rollouts, with_label("app", "3.1.3"))
        rollouts.wait_for("it is promoted", lambda: "3.1.3" in rollouts.tags_of_primary("app"), deadline_s=180.0)
        rollouts.wait_for_phase("app", "Succeeded", deadline_s=120.0)
        assert ready(rollouts)[0] == "True"
        assert rollouts.weights("app") == rollouts.weights("shop") == (100, 0)
    assert_no_request_lost(reports[0])
