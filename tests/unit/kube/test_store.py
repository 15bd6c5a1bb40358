"""Which updates replace what is stored of an object."""

from __future__ import annotations

from typing import Any

import pytest

from kube.packing import PackedObject
from kube.store import Change, Key, Store, key_of


def obj(name: str, version: str | int, namespace: str = "test") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, "resourceVersion": str(version)}}


def listed(*objects: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    return {key_of(item): item for item in objects}


A = Key("test", "a")


def outline(whole: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": whole["metadata"]}


@pytest.fixture(params=[None, outline], ids=["whole", "packed"])
def store(request: pytest.FixtureRequest) -> Store:
    store = Store(request.param)
    store.replace_all(listed(obj("a", 5)), "10")
    return store


def test_a_list_tells_what_came_changed_and_went(store: Store) -> None:
    store.put(obj("b", 11))
    changes = store.replace_all(listed(obj("a", 15), obj("c", 14, "other")), "20")
    assert sorted(changes, key=str) == sorted(
        [
            Change(A, obj("a", 5), obj("a", 15), is_listed=True),
            Change(Key("test", "b"), obj("b", 11), None, is_listed=True),
            Change(Key("other", "c"), None, obj("c", 14, "other"), is_listed=True),
        ],
        key=str,
    )
    assert store.resource_version == "20"


def test_a_list_of_what_is_known_tells_nothing(store: Store) -> None:
    assert list(store.replace_all(listed(obj("a", 5)), "20")) == []


def test_the_watch_does_not_take_back_what_was_remembered_since(store: Store) -> None:
    store.remember(obj("a", 13))
    assert store.put(obj("a", 12)) is None
    assert store.put(obj("a", 13)) is None
    assert store.get(A) == obj("a", 13)
    assert store.put(obj("a", 14)) == Change(A, obj("a", 13), obj("a", 14))


def test_an_own_write_is_there_at_once_unless_newer_is_known(store: Store) -> None:
    assert store.remember(obj("a", 12)) == Change(A, obj("a", 5), obj("a", 12))
    assert store.remember(obj("a", 9)) is None
    assert store.get(A) == obj("a", 12)


def test_versions_are_numbers_not_text(store: Store) -> None:
    store.remember(obj("a", 99))
    assert store.put(obj("a", 100)) is not None


def test_a_late_answer_does_not_bring_back_a_deleted_object(store: Store) -> None:
    store.remove(obj("a", 12))
    assert store.remember(obj("a", 11)) is None
    assert store.get(A) is None
    assert store.remember(obj("a", 13)) is not None


def test_the_deletion_of_a_former_object_leaves_the_one_made_since(store: Store) -> None:
    store.remember(obj("a", 14))
    assert store.remove(obj("a", 12)) is None
    assert store.get(A) == obj("a", 14)


def test_a_list_does_not_take_away_what_was_written_after_it(store: Store) -> None:
    store.remember(obj("b", 25))
    store.remember(obj("a", 26))
    assert list(store.replace_all(listed(obj("a", 5)), "20")) == []
    assert store.get(Key("test", "b")) is not None
    assert store.get(A) == obj("a", 26)


def test_an_older_list_means_a_restored_etcd_and_is_believed(store: Store) -> None:
    store.put(obj("b", 30))
    store.put(obj("a", 31))
    store.replace_all(listed(obj("a", 5)), "8")
    assert store.items() == [obj("a", 5)]
    assert store.resource_version == "8"


def test_versions_that_are_no_numbers_are_believed_when_they_differ() -> None:
    store = Store()
    store.put(obj("a", "x1"))
    assert store.put(obj("a", "x1")) is None
    assert store.put(obj("a", "x0")) is not None
    assert store.remember(obj("b", "x2")) is not None


def test_objects_without_a_namespace_and_by_namespace(store: Store) -> None:
    cluster_wide = {"metadata": {"name": "n", "resourceVersion": "11"}}
    store.put(cluster_wide)
    store.put(obj("a", 12, "other"))
    assert store.get(Key("", "n")) == cluster_wide
    assert store.by_namespace("other") == [obj("a", 12, "other")]
    assert store.by_namespace("none") == []
    store.remove(obj("a", 13, "other"))
    assert store.by_namespace("other") == []
    assert len(store.items()) == 2


def test_what_our_own_write_deleted_is_gone_at_once_but_not_what_was_made_since(store: Store) -> None:
    former, later = obj("b", 11), obj("b", 12)
    former["metadata"]["uid"], later["metadata"]["uid"] = "1", "2"
    store.put(former)
    assert store.forget(former) == Change(Key("test", "b"), former, None)
    assert store.forget(former) is None
    store.put(later)
    assert store.forget(former) is None
    assert store.get(Key("test", "b")) == later


def test_a_packed_object_is_read_as_it_was_put_and_stays_unpacked_only_where_it_is_read_by_name() -> None:
    store = Store(outline)
    whole = obj("a", 5) | {"spec": {"replicas": 2, "text": "é"}}
    store.put(whole)
    assert store.outlines("test") == [{"metadata": whole["metadata"]}]
    assert store.items() == store.by_namespace("test") == [whole]
    assert store.items()[0] is not store.items()[0]
    assert store.get(A) == whole
    assert store.get(A) is store.get(A)
    newer = obj("a", 6) | {"spec": {"replicas": 3}}
    assert store.put(newer) == Change(A, whole, newer)
    assert store.get(A) == newer


@pytest.mark.parametrize("is_remembered", [True, False])
def test_of_a_newer_version_what_did_not_change_is_the_same_as_before(store: Store, *, is_remembered: bool) -> None:
    specs: list[Any] = [{"replicas": replicas, "template": {"labels": {}}} for replicas in (2, 2, 3)]
    versions = [obj("a", 11 + number) | {"spec": spec, "status": number} for number, spec in enumerate(specs)]
    for version in versions:
        version["metadata"]["labels"] = {"app": "a"}
    found = []
    for version in versions:
        change = (store.remember if is_remembered else store.put)(version)
        assert change is not None
        assert change.new == version
        found.append(store.get(A))
    assert found == versions
    assert found[1]["spec"] is found[0]["spec"]  # type: ignore[index]
    assert found[2]["spec"] is not found[0]["spec"]  # type: ignore[index]
    assert found[2]["metadata"]["labels"] is found[0]["metadata"]["labels"]  # type: ignore[index]


def test_the_next_version_of_what_was_read_stays_unpacked_and_that_of_what_was_not_packed() -> None:
    store = Store(outline)
    store.put(obj("a", 5))
    store.put(obj("a", 6))
    kept = store._kept(A)
    assert isinstance(kept, PackedObject)
    assert not kept.is_unpacked
    store.get(A)
    store.put(obj("a", 7))
    assert store.get(A) is store.get(A) == obj("a", 7)
    kept = store._kept(A)
    assert isinstance(kept, PackedObject)
    assert kept.is_unpacked


def test_without_an_outline_the_objects_are_their_own() -> None:
    store = Store()
    store.put(obj("a", 5))
    assert store.outlines("test") == [obj("a", 5)]
    assert store.outlines("other") == []


def test_a_glance_shows_the_same_and_keeps_it_as_it_was_kept(store: Store) -> None:
    assert store.glance(A) == obj("a", 5)
    assert store.glance(Key("test", "none")) is None
    if isinstance(kept := store._kept(A), PackedObject):
        assert kept._unpacked is None
