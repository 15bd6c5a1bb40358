"""The downward API: what a pod may ask about itself, for variables and volume files."""

import math
import re
from typing import Any

from sandbox.node.errors import ConfigError
from sandbox.node.quantity import parse_quantity

_KEYED = re.compile(r"^metadata\.(labels|annotations)\['(.+)'\]$")


def read_field(pod: dict[str, Any], path: str) -> str:
    """Return the value of `fieldRef.fieldPath`; raises ConfigError for a path that the downward API does not have."""
    keyed = _KEYED.match(path)
    if keyed:
        return str(pod["metadata"].get(keyed[1], {}).get(keyed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = pod["metadata"].get(path.removeprefix("metadata."), {})
        return "".join(f'{key}="{_escape(value)}"\n' for key, value in sorted(entries.items()))
    status = pod.get("status", {})
    known = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
    }
    if path not in known:
        raise ConfigError(f"fieldPath {path!r} is not supported; allowed: {', '.join(known)}, labels and annotations")
    return str(known[path])


def read_resource(pod: dict[str, Any], container: str, ref: dict[str, Any], allocatable: dict[str, str]) -> str:
    """Return the value of a `resourceFieldRef`, in divisors, rounded up; a limit not set is the node's `allocatable`.

    Raises ConfigError.
    """
    name = ref.get("containerName", container)
    kind, _, resource = ref["resource"].partition(".")
    for candidate in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
        if candidate["name"] == name:
            wanted = candidate.get("resources", {}).get(kind, {}).get(resource)
            fallback = allocatable.get(resource, "0") if kind == "limits" else "0"
            divisor = parse_quantity(str(ref.get("divisor", "1")))
            return str(math.ceil(parse_quantity(str(wanted or fallback)) / (divisor or 1)))
    raise ConfigError(f"resourceFieldRef names container {name!r}, which pod {pod['metadata']['name']} does not have")


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
