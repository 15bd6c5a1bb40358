"""The index from target to canaries finds after any changes what a search through all canaries would."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kube.store import Change, Key, key_of
from tests.support.reviews import Object, canary_object
from webhook.caches import slim_canary, slim_name, slim_spec, slim_workload
from webhook.canary_index import CanaryIndex, read_entry

names = st.sampled_from(["a", "b", "c"])
canaries = st.builds(
    lambda namespace, name, target, kind: (
        canary_object(name, targetRef={"kind": kind, "name": target})
        | {"metadata": {"namespace": namespace, "name": name}}
    ),
    names,
    names,
    names,
    st.sampled_from(["Deployment", "DaemonSet"]),
)


@given(st.lists(st.tuples(canaries, st.booleans())))
def test_the_index_follows_every_change(steps: list[tuple[Object, bool]]) -> None:
    index = CanaryIndex()
    stored: dict[Key, Object] = {}
    for canary, is_deleted in steps:
        key = key_of(canary)
        old = stored.pop(key, None)
        if not is_deleted:
            stored[key] = canary
        index.take(Change(key, old, stored.get(key)))
    for namespace in "abc":
        for kind in ("Deployment", "DaemonSet"):
            for name in "abc":
                expected = [
                    read_entry(stored[key])
                    for key in sorted(stored)
                    if stored[key]["spec"]["targetRef"] == {"kind": kind, "name": name} and key.namespace == namespace
                ]
                assert index.of(namespace, kind, name) == expected
    assert len(index) == len(stored)


def test_a_slim_canary_says_the_same_of_its_target() -> None:
    canary = canary_object(suspend=True, provider="gloo", service={"name": "apex", "port": 80}, analysis={"x": 1})
    canary["metadata"] |= {"resourceVersion": "7", "labels": {"a": "b"}}
    canary["status"] |= {"lastPromotedSpec": "a", "lastAppliedSpec": "b", "iterations": 3}
    slim = slim_canary(canary)
    assert "iterations" not in slim["status"]
    assert read_entry(slim) == read_entry(canary)
    assert (slim["spec"]["service"], "analysis" in slim["spec"]) == ({"name": "apex"}, False)
    assert slim["metadata"] == {"namespace": "test", "name": "podinfo", "resourceVersion": "7"}


def pods_with_port(obj: dict[str, Any]) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 80}, {"containerPort": 81}]
    return obj | {"spec": {"template": {"spec": {"containers": [{"name": "app", "ports": ports}]}}}}


def test_of_other_objects_little_is_kept() -> None:
    obj: dict[str, Any] = {"metadata": {"name": "x", "resourceVersion": "1", "labels": {}}, "spec": {"a": 1}, "data": 2}
    assert slim_name(obj) == {"metadata": {"name": "x", "resourceVersion": "1"}}
    assert slim_workload(pods_with_port(obj)) == slim_name(obj) | {"portNames": ["http"]}
    assert slim_spec(obj) == {"metadata": {"name": "x", "resourceVersion": "1"}, "spec": {"a": 1}}
