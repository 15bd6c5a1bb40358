"""A container's environment: variables from values, fields, ConfigMaps and Secrets, and `$(VAR)` in texts."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.node.downward import read_field, read_resource
from sandbox.node.errors import ConfigError

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")


class Configuration(Protocol):
    """Where ConfigMaps and Secrets come from: `data` (and `binaryData`) of the object, or None when it is missing."""

    async def read_config_map(self, namespace: str, name: str) -> dict[str, Any] | None: ...

    async def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None: ...


@dataclass(frozen=True)
class Environment:
    """Makes variables for the containers of one pod (its `status` has the pod's and the node's address)."""

    pod: dict[str, Any]
    configuration: Configuration
    allocatable: dict[str, str]

    async def build(self, container: dict[str, Any], base: Mapping[str, str]) -> dict[str, str]:
        """Return `base`, then envFrom, then env, the later ones over the earlier; raises ConfigError."""
        variables = dict(base)
        for source in container.get("envFrom", ()):
            variables |= await self._read_all(source)
        for entry in container.get("env", ()):
            value = await self._read_one(entry, container["name"], variables)
            if value is not None:
                variables[entry["name"]] = value
        return variables

    async def _read_all(self, source: dict[str, Any]) -> dict[str, str]:
        kind = "configMap" if "configMapRef" in source else "secret"
        ref = source[f"{kind}Ref"]
        data = await self._read_object(kind, ref)
        prefix = source.get("prefix", "")
        return {prefix + key: value for key, value in (data or {}).items()}

    async def _read_one(self, entry: dict[str, Any], container: str, variables: dict[str, str]) -> str | None:
        match entry.get("valueFrom"):
            case {"fieldRef": ref}:
                return read_field(self.pod, ref["fieldPath"])
            case {"resourceFieldRef": ref}:
                return read_resource(self.pod, container, ref, self.allocatable)
            case {"configMapKeyRef": ref}:
                return await self._read_key("configMap", ref)
            case {"secretKeyRef": ref}:
                return await self._read_key("secret", ref)
            case _:
                return expand(entry.get("value", ""), variables)

    async def _read_key(self, kind: str, ref: dict[str, Any]) -> str | None:
        data = await self._read_object(kind, ref)
        if data is not None and ref["key"] in data:
            return data[ref["key"]]
        if ref.get("optional", False):
            return None
        namespace = self.pod["metadata"]["namespace"]
        raise ConfigError(f"couldn't find key {ref['key']} in {kind} {namespace}/{ref['name']}")

    async def _read_object(self, kind: str, ref: dict[str, Any]) -> dict[str, str] | None:
        namespace, name = self.pod["metadata"]["namespace"], ref.get("name", "")
        if kind == "configMap":
            found = await self.configuration.read_config_map(namespace, name)
        else:
            found = await self.configuration.read_secret(namespace, name)
        if found is None:
            if ref.get("optional", False):
                return None
            raise ConfigError(f'{kind.lower()} "{namespace}/{name}" not found')
        data: dict[str, str] = found.get("data") or {}
        if kind == "secret":
            return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
        return data


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$` is a dollar sign, and an unknown name stays as it is written."""

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(replace, text)


def service_variables(host: str, port: int) -> dict[str, str]:
    """Return the variables by which in-cluster clients find the API server."""
    return {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": str(port),
        "KUBERNETES_SERVICE_PORT_HTTPS": str(port),
        "KUBERNETES_PORT": f"tcp://{host}:{port}",
    }
