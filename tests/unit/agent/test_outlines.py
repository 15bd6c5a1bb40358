"""What is kept at hand of workloads and Services that may belong to no canary."""

from typing import Any

import pytest

from agent.caches import Caches
from agent.outlines import outline_of
from kube.resource import CONFIGMAPS, DEPLOYMENTS, SERVICES
from tests.support.podinfo import podinfo_deployment


def test_of_a_workload_its_owners_and_whose_pods_it_has_are_kept() -> None:
    outline = outline_of(DEPLOYMENTS)
    assert outline is not None
    made = podinfo_deployment()
    made["metadata"] |= {"ownerReferences": [{"kind": "Canary"}], "annotations": {"a": "b"}}
    made["spec"]["selector"] = {"matchLabels": {"app": "podinfo"}, "matchExpressions": [{"key": "a"}]}
    made["status"] = {"replicas": 2}
    assert outline(made) == {
        "kind": "Deployment",
        "metadata": {
            "name": "podinfo",
            "namespace": "test",
            "uid": "target-uid",
            "generation": 3,
            "ownerReferences": [{"kind": "Canary"}],
        },
        "spec": {
            "selector": {"matchLabels": {"app": "podinfo"}, "matchExpressions": [{"key": "a"}]},
            "template": {"metadata": {"labels": {"app": "podinfo"}}},
        },
    }


@pytest.mark.parametrize("template", [{}, {"metadata": None}, {"metadata": {"labels": None}}])
def test_a_workload_without_labels_or_selector_has_an_outline(template: dict[str, Any]) -> None:
    outline = outline_of(DEPLOYMENTS)
    assert outline is not None
    found = outline({"metadata": {"name": "a"}, "spec": {"template": template}})
    assert found["spec"] == {"selector": {}, "template": {"metadata": {"labels": {}}}}


def test_of_a_service_only_its_metadata_is_kept_and_of_what_is_always_read_nothing() -> None:
    outline = outline_of(SERVICES)
    assert outline is not None
    assert outline({"metadata": {"name": "a", "labels": {}}, "spec": {}}) == {"metadata": {"name": "a"}}
    assert outline_of(CONFIGMAPS) is None


def test_the_agent_reads_whole_workloads_by_name_and_outlines_of_all() -> None:
    client: Any = None  # nothing is asked
    cache = Caches(client, "").of(DEPLOYMENTS)
    made = podinfo_deployment()
    made["metadata"]["resourceVersion"] = "1"
    cache.remember(made)
    read = cache.get("test", "podinfo")
    assert read is not None
    assert read["spec"] == made["spec"]
    (outline,) = cache.outlines("test")
    assert outline["metadata"]["name"] == "podinfo"
    assert "containers" not in str(outline)
