"""Variables of a container: sources, order, expansion."""

import base64
from typing import Any

import pytest

from sandbox.node.environment import Environment, expand
from sandbox.node.errors import ConfigError

POD = {
    "metadata": {"name": "web-1", "namespace": "test", "uid": "u-1", "labels": {"app": "web"}},
    "spec": {"nodeName": "sandbox", "containers": [{"name": "main", "resources": {"limits": {"memory": "65Mi"}}}]},
    "status": {"podIP": "10.244.1.9", "hostIP": "10.244.0.1"},
}


class Objects:
    """ConfigMaps and Secrets by name, all in one namespace."""

    def __init__(self, **objects: dict[str, str]) -> None:
        self._objects = objects

    async def read_config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        assert namespace == "test"
        return {"data": self._objects[name]} if name in self._objects else None

    async def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        if name not in self._objects:
            return None
        return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in self._objects[name].items()}}


async def build(container: dict[str, Any], *, base: dict[str, str] | None = None, **objects: dict[str, str]) -> Any:
    environment = Environment(POD, Objects(**objects), {"cpu": "4", "memory": "1Gi"})
    return await environment.build({"name": "main"} | container, base or {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$(A)-$(B)", "1-2"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A and $", "$A and $"),
        ("$(A", "$(A"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


async def test_later_sources_win_over_earlier_ones() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "one"}}, {"prefix": "P_", "secretRef": {"name": "two"}}],
        "env": [{"name": "B", "value": "mine $(A)"}],
    }
    variables = await build(container, base={"A": "base", "Z": "z"}, one={"A": "one", "B": "one"}, two={"A": "two"})
    assert variables == {"A": "one", "B": "mine one", "P_A": "two", "Z": "z"}


async def test_fields_and_resources() -> None:
    entries = {
        "NAME": {"fieldRef": {"fieldPath": "metadata.name"}},
        "APP": {"fieldRef": {"fieldPath": "metadata.labels['app']"}},
        "IP": {"fieldRef": {"fieldPath": "status.podIP"}},
        "MEMORY": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
        "CPU": {"resourceFieldRef": {"resource": "limits.cpu"}},
        "ASKED": {"resourceFieldRef": {"resource": "requests.cpu"}},
    }
    variables = await build({"env": [{"name": name, "valueFrom": source} for name, source in entries.items()]})
    assert variables == {
        "NAME": "web-1", "APP": "web", "IP": "10.244.1.9", "MEMORY": "65", "CPU": "4", "ASKED": "0",
    }  # fmt: skip


async def test_optional_sources_may_be_missing() -> None:
    ref = {"name": "none", "key": "k", "optional": True}
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": ref}}, {"name": "B", "valueFrom": {"secretKeyRef": ref}}]
    assert await build({"env": env, "envFrom": [{"secretRef": {"name": "none", "optional": True}}]}) == {}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "none", "key": "k"}}, 'configmap "test/none" not found'),
        ({"secretKeyRef": {"name": "there", "key": "k"}}, "couldn't find key k in secret test/there"),
        ({"fieldRef": {"fieldPath": "spec.color"}}, "fieldPath 'spec.color' is not supported"),
    ],
)
async def test_what_is_missing_is_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        await build({"env": [{"name": "A", "valueFrom": source}]}, there={"other": "x"})
