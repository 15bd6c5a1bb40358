"""kube/ against a real API server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.resources import CANARIES
from kube.cache import Cache
from kube.client import Client
from kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PreconditionFailed,
    Rejected,
    Unauthorized,
)
from kube.events import EventRecorder
from kube.leadership import Timing
from kube.lease import LeaseHolder
from kube.resource import CONFIGMAPS, DEPLOYMENTS, EVENTS, LEASES, NAMESPACES, Object, Resource
from tests.support.cluster import Cluster

pytestmark = [pytest.mark.timeout(180)]

QUICK = Timing(duration_s=1.5, renew_within_s=1.0, retry_s=0.2)
POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    is_namespaced=False,
)
BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    is_namespaced=False,
)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    async with Client.connect(kubeconfig=cluster.kubeconfig, user_agent="serin/test") as client:
        yield client


@pytest.fixture
async def namespace(client: Client) -> AsyncIterator[str]:
    name = f"kube-{secrets.token_hex(4)}"
    await client.create(NAMESPACES, {"metadata": {"name": name}})
    yield name
    await client.delete(NAMESPACES, name)


def config_map(namespace: str, name: str = "a", **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


async def test_an_object_lives_and_dies(client: Client, namespace: str) -> None:
    made = await client.create(CONFIGMAPS, config_map(namespace, x="1"))
    assert made["metadata"]["managedFields"][0]["manager"] == "serin"
    with pytest.raises(AlreadyExists):
        await client.create(CONFIGMAPS, config_map(namespace))
    changed = await client.merge_patch(CONFIGMAPS, "a", namespace, {"data": {"y": "2"}}, field_manager="other")
    assert changed["data"] == {"x": "1", "y": "2"}
    with pytest.raises(Conflict):
        await client.replace(CONFIGMAPS, made)
    replaced = await client.replace(CONFIGMAPS, changed | {"data": {"z": "3"}})
    assert await client.get(CONFIGMAPS, "a", namespace) == replaced
    with pytest.raises(Conflict):
        await client.delete(CONFIGMAPS, "a", namespace, uid="another")
    await client.delete(CONFIGMAPS, "a", namespace, uid=made["metadata"]["uid"])
    with pytest.raises(NotFound) as caught:
        await client.get(CONFIGMAPS, "a", namespace)
    assert (caught.value.resource, caught.value.namespace, caught.value.name) == (CONFIGMAPS, namespace, "a")


async def test_a_failed_test_changes_nothing_and_a_bad_path_is_told_apart(client: Client, namespace: str) -> None:
    await client.create(CONFIGMAPS, config_map(namespace, x="1"))
    write = {"op": "replace", "path": "/data/x", "value": "9"}
    for test in (
        {"op": "test", "path": "/data/x", "value": "2"},
        {"op": "test", "path": "/data/none", "value": "1"},
        {"op": "test", "path": "/metadata/finalizers/3", "value": "1"},
    ):
        with pytest.raises(PreconditionFailed):
            await client.json_patch(CONFIGMAPS, "a", namespace, [test, write])
    with pytest.raises(Invalid):
        await client.json_patch(CONFIGMAPS, "a", namespace, [{"op": "remove", "path": "/data/none"}])
    assert (await client.get(CONFIGMAPS, "a", namespace))["data"] == {"x": "1"}
    good = [{"op": "test", "path": "/data/x", "value": "1"}, write]
    assert (await client.json_patch(CONFIGMAPS, "a", namespace, good))["data"] == {"x": "9"}


async def test_apply_takes_its_own_fields_and_leaves_the_others(client: Client, namespace: str) -> None:
    await client.create(CONFIGMAPS, config_map(namespace, theirs="1", contested="1"))
    with pytest.raises(Conflict) as caught:
        await client.apply(CONFIGMAPS, config_map(namespace, contested="2"), field_manager="ours", is_forced=False)
    assert [cause.field for cause in caught.value.causes] == [".data.contested"]
    applied = await client.apply(CONFIGMAPS, config_map(namespace, contested="2", new="ü"), field_manager="ours")
    assert applied["data"] == {"theirs": "1", "contested": "2", "new": "ü"}
    assert (await client.apply(CONFIGMAPS, config_map(namespace, "b"), field_manager="ours"))["kind"] == "ConfigMap"
    stale = config_map(namespace)
    stale["metadata"]["resourceVersion"] = "1"
    with pytest.raises(Conflict):
        await client.apply(CONFIGMAPS, stale, field_manager="ours")


async def test_a_subresource_is_written_apart(client: Client, namespace: str) -> None:
    await client.apply(DEPLOYMENTS, deployment(namespace), field_manager="ours")
    patch = {"status": {"observedGeneration": 7, "replicas": 3}}
    patched = await client.merge_patch(DEPLOYMENTS, "d", namespace, patch, subresource="status")
    assert patched["status"]["replicas"] == 3
    assert patched["spec"]["replicas"] == 0
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 0}]
    scale = await client.json_patch(DEPLOYMENTS, "d", namespace, operations, subresource="scale")
    assert scale["kind"] == "Scale"


async def test_an_invalid_object_names_its_fields(client: Client, namespace: str) -> None:
    body = deployment(namespace)
    body["spec"]["replicas"] = -1
    with pytest.raises(Invalid) as caught:
        await client.create(DEPLOYMENTS, body)
    assert "spec.replicas" in [cause.field for cause in caught.value.causes]
    with pytest.raises(Invalid, match="cannot be handled as a ConfigMap"):
        await client.create(CONFIGMAPS, {**config_map(namespace), "data": {"x": 1}})


async def test_a_kind_that_is_not_served_and_a_namespace_that_is_missing(client: Client) -> None:
    with pytest.raises(NotFound, match=r"does not serve things of example\.com/v1"):
        await client.list(Resource("example.com", "v1", "things", "Thing"))
    with pytest.raises(NotFound, match="namespaces"):
        await client.create(CONFIGMAPS, config_map("there-is-none"))


async def test_a_policy_that_denies_is_a_rejection(client: Client, namespace: str) -> None:
    policy = {
        "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
                ],
            },
            "validations": [{"expression": "'good' in object.data", "message": "only good ones"}],
        },
    }
    binding = {"metadata": {"name": namespace}, "spec": {"policyName": namespace, "validationActions": ["Deny"]}}
    await client.create(POLICIES, policy)
    await client.create(BINDINGS, binding)

    async def create_until_the_policy_is_in_force() -> None:
        for attempt in range(100):
            await client.create(CONFIGMAPS, config_map(namespace, f"a{attempt}", bad="1"))
            await asyncio.sleep(0.2)

    try:
        with pytest.raises(Rejected, match="only good ones"):
            await create_until_the_policy_is_in_force()
    finally:
        await client.delete(BINDINGS, namespace)
        await client.delete(POLICIES, namespace)


async def test_a_token_that_is_not_known(client: Client, cluster: Cluster, tmp_path: Path) -> None:
    config: dict[str, Any] = yaml.safe_load(cluster.kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"token": "unknown"}
    for entry in config["clusters"]:
        if "certificate-authority" in entry["cluster"]:
            ca = cluster.kubeconfig.parent / entry["cluster"]["certificate-authority"]
            entry["cluster"]["certificate-authority"] = str(ca)
    stranger_config = tmp_path / "kubeconfig"
    stranger_config.write_text(yaml.safe_dump(config))
    async with Client.connect(kubeconfig=stranger_config, user_agent="serin/test") as stranger:
        with pytest.raises((Unauthorized, Forbidden)):
            await stranger.list(CONFIGMAPS)


async def test_a_long_list_comes_in_pages_and_whole(client: Client, namespace: str) -> None:
    names = {f"c{number:03}" for number in range(520)}
    await asyncio.gather(*(client.create(CONFIGMAPS, config_map(namespace, name)) for name in names))
    pages = [page async for page in client.pages(CONFIGMAPS, namespace)]
    assert len(pages[0].items) == 20, "of whatever size; those after it by the sizes seen"
    assert 2 <= len(pages) <= 6
    listed = await client.list(CONFIGMAPS, namespace)
    assert {item["metadata"]["name"] for item in listed} >= names


async def test_a_watch_tells_what_happened_and_refuses_a_forgotten_version(client: Client, namespace: str) -> None:
    made = await client.create(CONFIGMAPS, config_map(namespace, x="1"))
    await client.merge_patch(CONFIGMAPS, "a", namespace, {"data": {"x": "2"}})
    await client.delete(CONFIGMAPS, "a", namespace)
    version = made["metadata"]["resourceVersion"]
    events = [
        (event.type, event.object["metadata"]["name"])
        async for event in client.watch(
            CONFIGMAPS, namespace, resource_version=version, timeout_s=1, field_selector="metadata.name=a"
        )
        if event.type != "BOOKMARK"
    ]
    assert events == [("MODIFIED", "a"), ("DELETED", "a")]
    # What the API server can tell of Canaries begins with their CRD. Of ConfigMaps a young one can tell everything.
    with pytest.raises(Gone):
        async for _ in client.watch(CANARIES, namespace, resource_version="1", timeout_s=1):
            pass


async def test_a_cache_follows_and_knows_own_writes_at_once(client: Client, namespace: str) -> None:
    await client.create(CONFIGMAPS, config_map(namespace, x="1"))
    cache = Cache(client, CONFIGMAPS, namespace=namespace)
    news = asyncio.Event()
    cache.subscribe(lambda _: news.set())

    async def until_version(name: str, version: str | None) -> None:
        while (obj := cache.get(namespace, name), obj and obj["metadata"]["resourceVersion"])[1] != version:
            await news.wait()
            news.clear()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        run = group.create_task(cache.run(), name="cache under test")
        await cache.wait_synced()
        found = cache.get(namespace, "a")
        assert found is not None
        assert "managedFields" not in found["metadata"]
        patched = await client.merge_patch(CONFIGMAPS, "a", namespace, {"data": {"x": "2"}})
        cache.remember(patched)
        remembered = cache.get(namespace, "a")
        assert remembered is not None
        assert remembered["data"] == {"x": "2"}
        made = await client.create(CONFIGMAPS, config_map(namespace, "b"))
        await until_version("b", made["metadata"]["resourceVersion"])
        await client.delete(CONFIGMAPS, "a", namespace)
        await until_version("a", None)
        cache.remember(patched)
        assert cache.get(namespace, "a") is None
        run.cancel()


async def test_repeated_events_are_one_with_a_count(client: Client, namespace: str) -> None:
    obj = await client.create(CONFIGMAPS, config_map(namespace))
    async with EventRecorder(client, drain_s=60) as recorder:
        for message in ("same", "same", "other", "same"):
            recorder.record(obj, "Warning", "Synced", message)
    about = f"involvedObject.uid={obj['metadata']['uid']}"
    events = await client.list(EVENTS, namespace, field_selector=about)
    assert {event["message"]: event["count"] for event in events} == {"same": 3, "other": 1}
    assert {event["source"]["component"] for event in events} == {"serin"}


async def test_a_lease_is_handed_over_at_once_when_it_is_given_back(client: Client, namespace: str) -> None:
    # So long a Lease that it can't have run out before the second one must have it.
    long = Timing(duration_s=120.0, renew_within_s=100.0, retry_s=0.2)
    first = LeaseHolder(client, namespace=namespace, name="l", identity="first", timing=long)
    second = LeaseHolder(client, namespace=namespace, name="l", identity="second", timing=long)
    async with asyncio.timeout(60):
        async with second:
            async with first:
                # Whoever came first leads; the other one does not.
                done, waiting = await asyncio.wait(
                    [asyncio.ensure_future(first.wait_acquired()), asyncio.ensure_future(second.wait_acquired())],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                assert (len(done), first.is_leader + second.is_leader) == (1, 1)
                for task in waiting:
                    task.cancel()
            await second.wait_acquired()
            assert second.is_leader
    lease = await client.get(LEASES, "l", namespace)
    assert lease["spec"]["holderIdentity"] == ""


async def test_a_lease_whose_holder_is_gone_is_taken_after_its_duration(client: Client, namespace: str) -> None:
    loop = asyncio.get_running_loop()
    dead = LeaseHolder(client, namespace=namespace, name="l", identity="dead", timing=QUICK)
    async with asyncio.timeout(10):
        await dead.__aenter__()
        await dead.wait_acquired()
        assert dead._task is not None
        dead._task.cancel()
        with suppress(asyncio.CancelledError):
            await dead._task
        died_s = loop.time()
        async with LeaseHolder(client, namespace=namespace, name="l", identity="next", timing=QUICK) as heir:
            await heir.wait_acquired()
            # 2 s: a Lease's duration is stored in whole seconds, rounded.
            assert loop.time() - died_s >= QUICK.duration_s - 0.1
            assert not dead.is_leader
    lease = await client.get(LEASES, "l", namespace)
    assert lease["spec"]["leaseTransitions"] == 1


def deployment(namespace: str) -> Object:
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "d"}}, "template": template},
    }
