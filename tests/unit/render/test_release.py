"""What outlives a Canary: it loses its owner, leads to the target, and keeps everything that users gave it."""

from copy import deepcopy
from typing import Any

import pytest

from canary.api.names import Names, Side
from canary.run.traffic import Traffic
from render.json_patch import Operation
from render.release import released_apex, released_object, released_route
from render.route_table import route_patch, route_table
from render.services import apex_service
from render.upstreams import upstream
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_deployment, stored

CANARY, TARGET = podinfo_canary(), podinfo_deployment()


def patched(obj: dict[str, Any], operations: list[Operation]) -> dict[str, Any]:
    assert operations, "nothing is done"
    return apply_patch(obj, operations)


def test_an_upstream_loses_its_owner_and_nothing_else() -> None:
    before = stored(upstream(CANARY, TARGET, Side.CANARY))
    after = patched(before, released_object(before, CANARY))
    assert "ownerReferences" not in after["metadata"]
    assert after["spec"] == before["spec"]
    assert released_object(after, CANARY) == []


def test_other_owners_stay() -> None:
    before = stored(upstream(CANARY, TARGET, Side.CANARY))
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "other-uid"}
    before["metadata"]["ownerReferences"].append(other)
    after = patched(before, released_object(before, CANARY))
    assert after["metadata"]["ownerReferences"] == [other]


def test_the_apex_selects_the_targets_pods_again() -> None:
    before = stored(apex_service(CANARY, TARGET))
    before["spec"]["selector"]["team"] = "a"
    after = patched(before, released_apex(before, CANARY, TARGET))
    assert after["spec"]["selector"] == {"app": "podinfo", "team": "a"}
    assert "ownerReferences" not in after["metadata"]
    assert released_apex(after, CANARY, TARGET) == []


def test_a_service_of_a_user_goes_back_to_whoever_applied_it() -> None:
    own = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "podinfo", "namespace": "test"}, "spec": {}}
    before = stored(apex_service(CANARY, TARGET, stored(own)))
    assert before["metadata"]["annotations"]
    after = patched(before, released_apex(before, CANARY, TARGET))
    assert after["spec"]["selector"] == {"app": "podinfo"}
    assert after["metadata"]["annotations"] == {}


def weights(table: dict[str, Any]) -> list[list[int]]:
    routes = [route["routeAction"]["multi"]["destinations"] for route in table["spec"]["routes"]]
    return [[destination.get("weight", 0) for destination in destinations] for destinations in routes]


AB = {"match": [{"headers": {"x-user": {"exact": "a"}}}], "iterations": 2, "interval": "10s", "threshold": 1}


@pytest.mark.parametrize("is_ab_test", [False, True])
def test_every_route_of_ours_leads_to_the_target(*, is_ab_test: bool) -> None:
    canary = podinfo_canary(analysis=AB) if is_ab_test else CANARY
    before = stored(route_table(canary))
    users = {"matchers": [{"prefix": "/static"}], "routeAction": {"single": {"upstream": {"name": "cdn"}}}}
    before["spec"]["routes"].insert(0, deepcopy(users))
    before = apply_patch(before, route_patch(canary, before, Traffic(100) if is_ab_test else Traffic(20), 1))
    after = patched(before, released_route(before, canary))
    assert users in after["spec"]["routes"]
    after["spec"]["routes"].remove(users)
    assert weights(after) == [[0, 100]] * len(after["spec"]["routes"])
    assert len(after["spec"]["routes"]) == 1 + is_ab_test
    assert "ownerReferences" not in after["metadata"]


def test_a_table_that_was_written_since_is_left_alone() -> None:
    before = stored(route_table(CANARY))
    now = deepcopy(before)
    now["metadata"]["resourceVersion"] = "8"
    with pytest.raises(PatchRefused):
        apply_patch(now, released_route(before, CANARY))
    assert Names.of(CANARY).route_table == before["metadata"]["name"]
