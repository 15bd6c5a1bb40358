"""What the files of a configMap, secret, downwardAPI or projected volume contain."""

import base64
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.node.atomic_writer import VolumeFile
from sandbox.node.downward import read_field, read_resource
from sandbox.node.environment import Configuration
from sandbox.node.errors import VolumeError

_DEFAULT_MODE = 0o644
_TOKEN_LIFETIME_S = 3600


class TokenSource(Protocol):
    """Where service account tokens come from; raises VolumeError."""

    async def read_token(self, pod: dict[str, Any], audience: str, lifetime_s: int) -> str: ...


@dataclass(frozen=True)
class Payloads:
    """Makes the files of one pod's volumes."""

    configuration: Configuration
    tokens: TokenSource
    allocatable: dict[str, str]

    async def build(self, pod: dict[str, Any], volume: dict[str, Any]) -> dict[str, VolumeFile] | None:
        """Return the files of `volume` by relative path, None when it is of another kind.

        Raises VolumeError while an object or a key is missing, ConfigError for what the downward API does not have.
        """
        match volume:
            case {"configMap": source}:
                return await self._read_config_map(pod, source, _default_mode(source))
            case {"secret": source}:
                ref = source | {"name": source["secretName"]}
                return await self._read_secret(pod, ref, _default_mode(source))
            case {"downwardAPI": source}:
                return self._read_downward(pod, source, _default_mode(source))
            case {"projected": source}:
                files: dict[str, VolumeFile] = {}
                for part in source.get("sources", ()):
                    files |= await self._read_part(pod, part, _default_mode(source))
                return files
            case _:
                return None

    async def _read_part(self, pod: dict[str, Any], part: dict[str, Any], mode: int) -> dict[str, VolumeFile]:
        match part:
            case {"configMap": source}:
                return await self._read_config_map(pod, source, mode)
            case {"secret": source}:
                return await self._read_secret(pod, source, mode)
            case {"downwardAPI": source}:
                return self._read_downward(pod, source, mode)
            case {"serviceAccountToken": source}:
                lifetime_s = source.get("expirationSeconds", _TOKEN_LIFETIME_S)
                token = await self.tokens.read_token(pod, source.get("audience", ""), lifetime_s)
                return {source["path"]: VolumeFile(token.encode(), mode)}
            case _:
                raise VolumeError(f"projected source {', '.join(part)} is not supported by this node")

    async def _read_config_map(self, pod: dict[str, Any], ref: dict[str, Any], mode: int) -> dict[str, VolumeFile]:
        found = await self.configuration.read_config_map(pod["metadata"]["namespace"], ref["name"])
        if found is None:
            return _missing("configmap", pod, ref)
        content = {key: text.encode() for key, text in (found.get("data") or {}).items()}
        content |= {key: base64.b64decode(text) for key, text in (found.get("binaryData") or {}).items()}
        return _select(content, ref, mode)

    async def _read_secret(self, pod: dict[str, Any], ref: dict[str, Any], mode: int) -> dict[str, VolumeFile]:
        found = await self.configuration.read_secret(pod["metadata"]["namespace"], ref["name"])
        if found is None:
            return _missing("secret", pod, ref)
        content = {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
        return _select(content, ref, mode)

    def _read_downward(self, pod: dict[str, Any], source: dict[str, Any], mode: int) -> dict[str, VolumeFile]:
        files = {}
        for item in source.get("items", ()):
            if "fieldRef" in item:
                text = read_field(pod, item["fieldRef"]["fieldPath"])
            else:
                text = read_resource(pod, "", item["resourceFieldRef"], self.allocatable)
            files[item["path"]] = VolumeFile(text.encode(), item.get("mode") or mode)
        return files


def _default_mode(source: dict[str, Any]) -> int:
    mode: int = source.get("defaultMode", _DEFAULT_MODE)
    return mode


def _missing(kind: str, pod: dict[str, Any], ref: dict[str, Any]) -> dict[str, VolumeFile]:
    if ref.get("optional", False):
        return {}
    raise VolumeError(f'{kind} "{pod["metadata"]["namespace"]}/{ref["name"]}" not found')


def _select(content: dict[str, bytes], ref: dict[str, Any], mode: int) -> dict[str, VolumeFile]:
    if "items" not in ref:
        return {key: VolumeFile(value, mode) for key, value in content.items()}
    files = {}
    for item in ref["items"]:
        if item["key"] in content:
            files[item["path"]] = VolumeFile(content[item["key"]], item.get("mode") or mode)
        elif not ref.get("optional", False):
            raise VolumeError(f"{ref['name']} has no key {item['key']!r}; it has: {', '.join(sorted(content))}")
    return files
