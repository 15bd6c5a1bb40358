"""Workloads by their labels: whatever comes, goes and changes, the same are found as by looking at all of them."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.caches import Caches
from agent.workload_labels import has_controller
from kube.resource import DAEMONSETS, DEPLOYMENTS, Object
from render.selectors import own_selector, pod_labels

KINDS = {"Deployment": DEPLOYMENTS, "DaemonSet": DAEMONSETS}

labels = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "a-primary", "b"]), max_size=2)
kinds = st.sampled_from(sorted(KINDS))
edits = st.tuples(
    kinds,
    st.sampled_from(["x", "y", "z"]),
    st.sampled_from(["one", "two"]),
    labels,
    labels,
    st.booleans(),
    st.booleans(),
)


def workload(kind: str, name: str, namespace: str, of_pods: dict[str, str], selector: dict[str, str]) -> Object:
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "uid": f"{kind}-{name}"},
        "spec": {"selector": {"matchLabels": selector}, "template": {"metadata": {"labels": of_pods}}},
    }


def asked_about(caches: Caches, namespace: str) -> Any:
    """Return what is told of a namespace, but for what changes with each write."""
    labelled = caches.labelled
    found = [labelled.with_label(namespace, "app", value) for value in ("a", "a-primary", "b")]
    found.append(labelled.of_canaries_selecting(namespace, {"app": "a", "tier": "b"}))
    return [[(one["kind"], one["spec"], one["metadata"].get("ownerReferences")) for one in each] for each in found]


def names(found: list[Object]) -> list[tuple[str, str]]:
    return [(one["kind"], one["metadata"]["name"]) for one in found]


@settings(max_examples=150, deadline=None)
@given(st.lists(edits, max_size=12), st.integers(min_value=0, max_value=12))
def test_the_same_are_found_as_by_looking_at_all(edited: list[Any], asked_first_at: int) -> None:
    client: Any = None  # nothing is asked
    caches = Caches(client, "")
    stored: dict[tuple[str, str, str], Object] = {}
    for version, (kind, name, namespace, of_pods, selector, is_controlled, is_gone) in enumerate(edited, start=1):
        if version > asked_first_at:
            caches.labelled.with_label("one", "app", "a")
            caches.labelled.of_canaries_selecting("two", {"app": "a"})
        key = (kind, namespace, name)
        before = asked_about(caches, namespace), caches.labelled.version(namespace)
        obj = workload(kind, name, namespace, of_pods, selector)
        obj["metadata"]["resourceVersion"] = str(version)
        if is_controlled:
            obj["metadata"]["ownerReferences"] = [{"kind": "Canary", "name": f"c{version}", "controller": True}]
        if is_gone:
            caches.of(KINDS[kind]).forget(obj)
            stored.pop(key, None)
        else:
            caches.of(KINDS[kind]).remember(obj)
            stored[key] = obj
        if asked_about(caches, namespace) != before[0]:
            assert caches.labelled.version(namespace) != before[1]
    for namespace in ("one", "two"):
        here = sorted((kind, name, obj) for (kind, where, name), obj in stored.items() if where == namespace)
        for label, value in (("app", "a"), ("app", "b"), ("tier", "a-primary")):
            expected = [
                (kind, name)
                for kind, name, obj in here
                if value in (pod_labels(obj).get(label), own_selector(obj).get(label))
            ]
            assert names(caches.labelled.with_label(namespace, label, value)) == expected
        asked = {"app": "a", "tier": "b"}
        selecting = [
            (kind, name)
            for kind, name, obj in here
            if has_controller(obj) and own_selector(obj) and own_selector(obj).items() <= asked.items()
        ]
        assert set(selecting) <= set(names(caches.labelled.of_canaries_selecting(namespace, asked)))
