"""What volume files contain."""

import base64
from typing import Any

import pytest

from sandbox.node.atomic_writer import VolumeFile
from sandbox.node.errors import VolumeError
from sandbox.node.payloads import Payloads

POD = {
    "metadata": {"name": "web-1", "namespace": "test", "uid": "u-1", "labels": {"app": "web", "tier": 'a"b'}},
    "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "250m"}}}]},
}


class Cluster:
    """One ConfigMap `c` and one Secret `s`, and tokens that say what they were asked for."""

    async def read_config_map(self, namespace: str, name: str) -> dict[str, Any] | None:
        binary = {"raw": base64.b64encode(b"\xff\x00").decode()}
        return {"data": {"a": "A", "b": "B"}, "binaryData": binary} if name == "c" else None

    async def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        return {"data": {"key": base64.b64encode(b"hidden").decode()}} if name == "s" else None

    async def read_token(self, pod: dict[str, Any], audience: str, lifetime_s: int) -> str:
        return f"token for {audience or 'the API server'} of {lifetime_s} s"


async def build(volume: dict[str, Any]) -> dict[str, VolumeFile] | None:
    return await Payloads(Cluster(), Cluster(), {}).build(POD, volume)


async def test_a_config_map_with_text_and_binary_keys() -> None:
    assert await build({"configMap": {"name": "c", "defaultMode": 0o600}}) == {
        "a": VolumeFile(b"A", 0o600),
        "b": VolumeFile(b"B", 0o600),
        "raw": VolumeFile(b"\xff\x00", 0o600),
    }


async def test_items_choose_keys_paths_and_modes() -> None:
    items = [{"key": "b", "path": "deep/b.txt", "mode": 0o400}]
    assert await build({"configMap": {"name": "c", "items": items}}) == {"deep/b.txt": VolumeFile(b"B", 0o400)}


async def test_a_projected_volume_joins_its_sources() -> None:
    sources = [
        {"secret": {"name": "s"}},
        {"configMap": {"name": "none", "optional": True}},
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600, "audience": "gate"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    files = await build({"projected": {"sources": sources, "defaultMode": 0o644}})
    assert files is not None
    assert {path: file.content for path, file in files.items()} == {
        "key": b"hidden",
        "token": b"token for gate of 600 s",
        "labels": b'app="web"\ntier="a\\"b"\n',
    }


async def test_other_volumes_have_no_payload() -> None:
    assert await build({"emptyDir": {}}) is None


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "test/none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "test/none" not found'),
        ({"configMap": {"name": "c", "items": [{"key": "z", "path": "z"}]}}, "c has no key 'z'; it has: a, b, raw"),
    ],
)
async def test_what_is_missing_is_named(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(VolumeError, match=message):
        await build(volume)
