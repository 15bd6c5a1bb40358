"""The objects that one translation looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str]  # namespace, name
Collection = Mapping[Key, Json]


@dataclass(frozen=True)
class Snapshot:
    """One state of the cluster: each collection by (namespace, name), the objects as the API server gives them."""

    virtual_services: Collection = field(default_factory=dict)
    route_tables: Collection = field(default_factory=dict)
    upstreams: Collection = field(default_factory=dict)
    services: Collection = field(default_factory=dict)
    endpoint_slices: Collection = field(default_factory=dict)


def key_of(item: Json) -> Key:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def dotted(key: Key) -> str:
    """Return `conf.app`, as Gloo names an object in its messages."""
    return ".".join(key)


def without_none(**fields: Any) -> Json:
    """Return the fields that are set: protobuf's JSON leaves out the others, and so do the recordings."""
    return {name: value for name, value in fields.items() if value is not None}
