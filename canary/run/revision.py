"""The revision of a workload: a content hash of its pod template.

The agent and the webhook call the same function on the stored object, so a mark made at admission and a revision
found by a watch are the same word for the same template.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from canary.run.wire import CONFIG_ANNOTATION, SCALE_TO_ZERO_LABEL

UNKNOWN: Final = "unknown"
"""A word that is no revision. A run that failed with it is not finished: the target is still to be scaled down."""

_REVISION_CHARS: Final = 16
_KEYED: Final = "k"
_CONFIG_CHARS: Final = 8
_WITH_CONFIGS: Final = re.compile(rf"-([0-9a-f]{{{_CONFIG_CHARS}}})$")

# The ReplicaSet controller adds it to its copy of the template; without it both hash alike.
_POD_TEMPLATE_HASH: Final = "pod-template-hash"


def revision_of(template: Mapping[str, Any]) -> str:
    """Hash a pod template (`spec.template` of a Deployment, DaemonSet or ReplicaSet) into 16 hex characters.

    Two templates of the same content give the same revision whatever the order of their keys; absent, null and empty
    metadata are the same. The ReplicaSet controller's own label does not count, nor do the scaling of a DaemonSet and
    the annotation that restarts pods with another configuration.
    """
    return content_hash(plain_template(template))


def with_configs(template_revision: str, configs: Mapping[str, str]) -> str:
    """Return the revision of a template together with what it is configured by: `{template}-{8 hex characters}`.

    `configs` are the content hashes of the tracked ConfigMaps and Secrets by name; without any it is the template's.
    """
    return f"{template_revision}-{content_hash(configs)[:_CONFIG_CHARS]}" if configs else template_revision


def template_part(revision: str) -> str:
    """Return what `revision_of` said of the template, whatever of its configuration the revision goes on with."""
    return revision.removesuffix(f"-{config_part(revision)}")


def config_part(revision: str) -> str:
    """Return the hash of the configuration that a revision goes on with; empty where nothing is tracked."""
    found = _WITH_CONFIGS.search(revision)
    return found[1] if found else ""


def plain_template(template: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a pod template without what we, the ReplicaSet controller and the API server's codecs add to it."""
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    metadata.pop("creationTimestamp", None)
    _leave_out(metadata, "labels", _POD_TEMPLATE_HASH)
    _leave_out(metadata, "annotations", CONFIG_ANNOTATION)
    spec = dict(template.get("spec") or {})
    _leave_out(spec, "nodeSelector", SCALE_TO_ZERO_LABEL)
    return {"metadata": metadata, "spec": spec}


def content_hash(value: object) -> str:
    """Hash any JSON value into 16 hex characters, independent of the order of keys."""
    return hashlib.sha256(_canonical(value)).hexdigest()[:_REVISION_CHARS]


def keyed_hash(key: bytes, value: object) -> str:
    """Hash any JSON value into as many characters, which only who has the key can compute. No plain hash has a k."""
    return f"{_KEYED}{hmac.new(key, _canonical(value), hashlib.sha256).hexdigest()}"[:_REVISION_CHARS]


def is_keyed_hash(text: str) -> bool:
    """Return whether it is of `keyed_hash`."""
    return text.startswith(_KEYED)


def _canonical(value: object) -> bytes:
    """Write JSON with sorted keys and no blanks; orjson takes a tenth of the time, but no integer beyond 64 bits."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode(errors="surrogatepass")


def _leave_out(holder: dict[str, Any], field: str, key: str) -> None:
    """Drop a key of the map in a field; a map that has nothing else goes as a whole."""
    if field not in holder:
        return
    entries = holder[field] or {}
    if key in entries:  # seldom: nearly always the map is taken as it is
        entries = {name: value for name, value in entries.items() if name != key}
    if entries:
        holder[field] = entries
    else:
        del holder[field]
