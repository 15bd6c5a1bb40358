"""The API server in memory, which the faults' world and the benchmarks share, answers as the real one does."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.support.stored_api.server import StoredApi, serving_api
from tests.support.stored_api.store import Place, Store

CANARY = Place("canaries", "test", "podinfo")
PATH = "/apis/flagger.app/v1beta1/namespaces/test/canaries"


@pytest.fixture
def store() -> Store:
    store = Store(lambda: 1_700_000_000.0)
    store.create("canaries", {"metadata": {"name": "podinfo", "namespace": "test"}, "spec": {"a": 1}})
    return store


@pytest.fixture
async def session(store: Store) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"User-Agent": "serin/0.2.0"}
    async with serving_api(StoredApi(store)) as url, aiohttp.ClientSession(url, headers=headers) as session:
        yield session


def stored(store: Store) -> dict[str, Any]:
    found = store.get(CANARY)
    assert found is not None
    return found


async def test_a_status_is_written_by_its_own_path_alone(store: Store, session: aiohttp.ClientSession) -> None:
    both = stored(store) | {"spec": {"a": 2}, "status": {"phase": "Failed"}}
    async with session.put(f"{PATH}/podinfo/status", json=both) as answer:
        assert answer.status == 200
    assert (stored(store)["spec"], stored(store)["status"]) == ({"a": 1}, {"phase": "Failed"})
    assert stored(store)["metadata"]["generation"] == 1

    other = stored(store) | {"spec": {"a": 3}, "status": {"phase": "Succeeded"}}
    async with session.put(f"{PATH}/podinfo", json=other) as answer:
        assert answer.status == 200
    assert (stored(store)["spec"], stored(store)["status"]) == ({"a": 3}, {"phase": "Failed"})
    assert stored(store)["metadata"]["generation"] == 2


async def test_what_was_changed_since_it_was_read_is_not_overwritten(
    store: Store, session: aiohttp.ClientSession
) -> None:
    read = stored(store)
    store.edit(CANARY, lambda obj: obj["spec"].update(a=2))
    async with session.put(f"{PATH}/podinfo", json=read | {"spec": {"a": 3}}) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (409, "Conflict")
    assert stored(store)["spec"] == {"a": 2}


async def test_a_patch_whose_test_fails_changes_nothing(store: Store, session: aiohttp.ClientSession) -> None:
    operations = [
        {"op": "replace", "path": "/spec/a", "value": 2},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "0"},
    ]
    headers = {"Content-Type": "application/json-patch+json"}
    async with session.patch(f"{PATH}/podinfo", data=json.dumps(operations), headers=headers) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (422, "Invalid")
    assert stored(store)["spec"] == {"a": 1}


async def test_an_object_with_finalizers_goes_with_the_last_of_them(
    store: Store, session: aiohttp.ClientSession
) -> None:
    store.edit(CANARY, lambda obj: obj["metadata"].update(finalizers=["a", "b"]))
    async with session.delete(f"{PATH}/podinfo") as answer:
        assert answer.status == 200
    assert stored(store)["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:20Z"
    store.edit(CANARY, lambda obj: obj["metadata"].update(finalizers=["b"]))
    assert stored(store)["metadata"]["finalizers"] == ["b"]
    store.edit(CANARY, lambda obj: obj["metadata"].pop("finalizers"))
    assert store.get(CANARY) is None
    async with session.delete(f"{PATH}/podinfo") as answer:
        assert answer.status == 404


async def test_a_watch_tells_what_it_missed_and_is_refused_if_that_is_forgotten(
    store: Store, session: aiohttp.ClientSession
) -> None:
    version = stored(store)["metadata"]["resourceVersion"]
    watch = {"watch": "true", "timeoutSeconds": "60", "resourceVersion": version}
    store.edit(CANARY, lambda obj: obj["spec"].update(a=2))
    store.create("canaries", {"metadata": {"name": "other", "namespace": "elsewhere"}, "spec": {}})
    async with session.get(PATH, params=watch) as answer, asyncio.timeout(60):
        missed = json.loads(await answer.content.readline())
        store.delete(CANARY)
        told = json.loads(await answer.content.readline())
    assert (missed["type"], missed["object"]["spec"]) == ("MODIFIED", {"a": 2})
    assert (told["type"], told["object"]["metadata"]["name"]) == ("DELETED", "podinfo")
    assert int(told["object"]["metadata"]["resourceVersion"]) > int(missed["object"]["metadata"]["resourceVersion"])

    store.compact()
    async with session.get(PATH, params=watch) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (410, "Expired")


async def test_pages_have_each_object_once(store: Store, session: aiohttp.ClientSession) -> None:
    for number in range(4):
        store.create("canaries", {"metadata": {"name": f"app-{number}", "namespace": "test"}, "spec": {}})
    names, following = [], ""
    for _ in range(3):
        async with session.get(PATH, params={"limit": "2"} | ({"continue": following} if following else {})) as answer:
            page = await answer.json()
        names += [obj["metadata"]["name"] for obj in page["items"]]
        following = page["metadata"].get("continue", "")
    assert (names, following) == (["podinfo", "app-0", "app-1", "app-2", "app-3"], "")


async def test_who_wrote_what_part_is_noted(store: Store, session: aiohttp.ClientSession) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    async with session.patch(f"{PATH}/podinfo", data='{"spec": {"b": 1}}', headers=headers) as answer:
        assert answer.status == 200
    store.edit(CANARY, lambda obj: obj.update(status={"phase": "Failed"}), "other")
    noted = stored(store)["metadata"]["managedFields"]
    assert [(one["manager"], one.get("subresource")) for one in noted] == [
        ("kubectl", None),
        ("serin", None),
        ("other", "status"),
    ]
