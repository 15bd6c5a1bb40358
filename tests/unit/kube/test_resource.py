"""Where objects are found, and names that must not lead elsewhere."""

from __future__ import annotations

import pytest

from kube.errors import Invalid
from kube.resource import CONFIGMAPS, DEPLOYMENTS, HPAS, NAMESPACES


def test_paths_of_objects_collections_and_subresources() -> None:
    assert DEPLOYMENTS.path("test", "podinfo") == "/apis/apps/v1/namespaces/test/deployments/podinfo"
    assert DEPLOYMENTS.path("test", "podinfo", "scale") == "/apis/apps/v1/namespaces/test/deployments/podinfo/scale"
    assert DEPLOYMENTS.path() == "/apis/apps/v1/deployments"
    assert CONFIGMAPS.path("test") == "/api/v1/namespaces/test/configmaps"
    assert NAMESPACES.path(None, "test") == "/api/v1/namespaces/test"


def test_api_version_is_written_as_objects_write_it() -> None:
    assert CONFIGMAPS.api_version == "v1"
    assert HPAS.api_version == "autoscaling/v2"


@pytest.mark.parametrize("name", ["", ".", "..", "../secrets/x", "a/b", "a%2fb", "a?b", "a#b", "a b", "a\n", "ä"])
def test_a_name_that_would_lead_to_another_path_is_refused_by_name(name: str) -> None:
    with pytest.raises(Invalid, match="not a name") as caught:
        CONFIGMAPS.path("test", name)
    assert repr(name) in str(caught.value)
    with pytest.raises(Invalid, match=r"metadata\.namespace"):
        CONFIGMAPS.path(name, "a")


def test_an_object_of_a_namespaced_kind_needs_its_namespace() -> None:
    with pytest.raises(Invalid, match="found no namespace for ConfigMap 'a'"):
        CONFIGMAPS.path(None, "a")
