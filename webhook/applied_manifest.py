"""Who wrote a field: a user in a manifest, or admission.

`kubectl apply` leaves its manifest in an annotation, server-side apply the fields of its manifest in
metadata.managedFields (an entry of operation Apply; what admission adds belongs to no such entry). Of other clients
nothing is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def is_in_a_manifest(obj: Mapping[str, Any], path: Sequence[str]) -> bool | None:
    """Return whether an applied manifest has the field, None where no manifest is known. `path` has no list in it."""
    manifests = list(_manifests(obj))
    if not manifests:
        return None
    return any(_has(manifest, [f"{prefix}{part}" for part in path]) for manifest, prefix in manifests)


def _manifests(obj: Mapping[str, Any]) -> Iterator[tuple[object, str]]:
    """Return each manifest, with what stands before its field names."""
    metadata = _mapping(obj.get("metadata"))
    text = _mapping(metadata.get("annotations")).get(LAST_APPLIED)
    if isinstance(text, str):
        with suppress(orjson.JSONDecodeError):  # something else that somebody put there
            yield orjson.loads(text), ""
    entries = metadata.get("managedFields")
    for entry in map(_mapping, entries if isinstance(entries, list) else ()):
        if entry.get("operation") == "Apply" and not entry.get("subresource"):
            yield entry.get("fieldsV1"), "f:"


def _has(found: object, path: Sequence[str]) -> bool:
    for part in path:
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
