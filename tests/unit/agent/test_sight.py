"""What was looked up of a canary's objects is what the caches show now."""

from copy import deepcopy
from typing import Any

import pytest

from agent.caches import Caches
from agent.resources import CANARIES, ROUTE_TABLES, UPSTREAMS
from kube.errors import Unread
from kube.resource import DEPLOYMENTS, HPAS, SERVICES, Resource
from kube.store import Key
from tests.support.podinfo import canary_object, podinfo_canary, podinfo_deployment, stored

PRIMARY_UPSTREAM = "test-podinfo-primaryupstream-9898"
CANARY_UPSTREAM = "test-podinfo-canaryupstream-9898"

SEEN: tuple[tuple[Resource, str, Any], ...] = (
    (CANARIES, "podinfo", lambda sight: sight.stored),
    (DEPLOYMENTS, "podinfo", lambda sight: sight.target),
    (DEPLOYMENTS, "podinfo-primary", lambda sight: sight.primary),
    (SERVICES, "podinfo", lambda sight: sight.services[0]),
    (SERVICES, "podinfo-primary", lambda sight: sight.services[1]),
    (SERVICES, "podinfo-canary", lambda sight: sight.services[2]),
    (UPSTREAMS, PRIMARY_UPSTREAM, lambda sight: sight.upstreams[0]),
    (UPSTREAMS, CANARY_UPSTREAM, lambda sight: sight.upstreams[1]),
    (ROUTE_TABLES, "podinfo", lambda sight: sight.table),
    (HPAS, "podinfo", lambda sight: sight.scaler),
)


def named(resource: Resource, name: str, version: int) -> dict[str, Any]:
    base = canary_object() if resource == CANARIES else podinfo_deployment()
    made = stored(base) | {"kind": resource.kind}
    made["metadata"] |= {"name": name, "resourceVersion": str(version)}
    return made


@pytest.mark.parametrize(("resource", "name", "seen"), SEEN)
def test_whatever_is_made_written_or_deleted_is_seen_at_once(resource: Resource, name: str, seen: Any) -> None:
    client: Any = None  # nothing is asked
    caches, canary = Caches(client, ""), podinfo_canary()
    assert seen(caches.sight(canary)) is None
    found: Any = None
    for version in (11, 12):
        caches.of(resource).remember(named(resource, name, version))
        found = seen(caches.sight(canary))
        assert found["metadata"]["resourceVersion"] == str(version)
        assert seen(caches.sight(canary)) is found
    caches.of(resource).forget(found)
    assert seen(caches.sight(canary)) is None


def test_another_canary_sees_its_own_objects() -> None:
    client: Any = None
    caches, podinfo = Caches(client, ""), podinfo_canary()
    other = podinfo_canary(targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"})
    caches.of(DEPLOYMENTS).remember(named(DEPLOYMENTS, "podinfo", 11))
    assert caches.sight(podinfo).target is not None
    assert caches.sight(other).target is None
    assert caches.sight(podinfo).target is not None


def test_what_is_used_no_more_is_unread_at_once() -> None:
    client: Any = None
    caches, canary = Caches(client, ""), podinfo_canary()
    caches.of(DEPLOYMENTS).remember(named(DEPLOYMENTS, "podinfo", 11))
    caches.of(CANARIES).remember(named(CANARIES, "podinfo", 12))
    assert caches.sight(canary).target is not None
    renamed = deepcopy(named(CANARIES, "podinfo", 13))
    renamed["spec"]["targetRef"]["name"] = "other"
    caches.of(CANARIES).remember(renamed)
    with pytest.raises(Unread):
        _ = caches.sight(canary).target


def test_what_is_forgotten_of_its_computations_is_seen_no_more() -> None:
    client: Any = None
    caches, canary = Caches(client, ""), podinfo_canary()
    memo = caches.memo(canary)
    assert caches.memo(canary) is memo
    caches.forget_memo(Key("test", "podinfo"))
    assert caches.memo(canary) is not memo
