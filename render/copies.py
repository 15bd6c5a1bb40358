"""The primary's copies of tracked ConfigMaps and Secrets: their names, their content, and the canary that owns each.

A copy belongs to one primary. Flagger names it `conf-primary`, and lets two canaries that use one `conf` share it: the
promotion of one then gives the other's primary what nobody analysed for it. Here the canary that has that name for
itself keeps it, and any other one uses a name that tells whose the copy is.
"""

import re
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.names import primary_name, primary_of
from canary.run.revision import content_hash
from render.config_refs import ConfigRef
from render.configs import CONTENT
from render.json_patch import Operation, put, put_entries, remove, unchanged
from render.labels import FLAGGERS_LABELS, LabelSettings, removed_labels
from render.objects import Object
from render.ownership import CANARY_KIND, owned_metadata, owner_reference

# More than one of its own a canary needs only where the present one can't be written: a Secret's type and what
# somebody made immutable stay for good.
_OWN_NAMES: Final = 3

_LONGEST_NAME: Final = 253
_HASH_CHARS: Final = 6


def copy_names(canary_name: str, ref: ConfigRef) -> tuple[str, ...]:
    """Return the names that a copy for this canary may have: Flagger's, then those that tell whose it is."""
    own = (_own_name(canary_name, ref.name, number) for number in range(_OWN_NAMES))
    plain = primary_name(ref.name)
    return tuple(own) if len(plain) > _LONGEST_NAME else (plain, *own)


def original_of(canary_name: str, copy: ConfigRef) -> ConfigRef | None:
    """Return what a copy of this canary was made of, by the copy's name; None for what has no name of a copy."""
    stem = primary_of(copy.name)
    if not stem:
        return None
    own = re.fullmatch(rf"(.+)-{re.escape(canary_name)}-[0-9a-f]{{{_HASH_CHARS}}}", stem)
    if own is not None:
        original = ConfigRef(copy.kind, own[1])
        if copy.name in copy_names(canary_name, original):
            return original
    return ConfigRef(copy.kind, stem)


def _own_name(canary_name: str, name: str, number: int) -> str:
    """Return a name that no other canary's copy has; the hash keeps apart what would read alike, or is cut off."""
    end = primary_name(f"-{content_hash([canary_name, name, number])[:_HASH_CHARS]}")
    return f"{name}-{canary_name}"[: _LONGEST_NAME - len(end)].rstrip("-.") + end


def is_copy(config: Object) -> bool:
    """Return whether it was made for a Canary."""
    return bool(copy_owners(config))


def copy_owners(config: Object) -> dict[str, str]:
    """Return the Canaries that own it: name to uid."""
    owners = config["metadata"].get("ownerReferences") or ()
    return {owner.get("name", ""): owner.get("uid", "") for owner in owners if owner.get("kind") == CANARY_KIND}


def is_owner(canary: Canary, config: Object) -> bool:
    """Return whether the Canary, and none before it that had its name, keeps the copy from being collected."""
    return copy_owners(config).get(canary.name) == canary.uid


def config_copy(canary: Canary, config: Object, name: str, settings: LabelSettings = FLAGGERS_LABELS) -> Object:
    """Render the copy, with this name, of a ConfigMap or Secret as it was read.

    Of the labels those go with it that the settings include, and no annotations: most tell who applied the original,
    and a copy that claimed the same would be pruned or reverted. It is never immutable, for the next promotion writes
    it again.
    """
    metadata = owned_metadata(canary, name, labels=settings.included(config))
    fields = {field: config[field] for field in ("type", *CONTENT) if config.get(field)}
    return {"apiVersion": "v1", "kind": config["kind"], "metadata": metadata} | fields


def copy_patch(
    canary: Canary, existing: Object, rendered: Object, settings: LabelSettings = FLAGGERS_LABELS
) -> list[Operation]:
    """Return what gives an existing copy, as it was read, exactly the rendered content, its labels, and the canary."""
    operations = unchanged(existing)
    for name in CONTENT:
        if name in rendered:
            operations.append(put(f"/{name}", rendered[name]))
        elif name in existing:
            operations.append(remove(f"/{name}"))
    operations += put_entries(existing, ("metadata", "labels"), rendered["metadata"].get("labels") or {})
    operations += removed_labels(existing, rendered, settings)
    return [*operations, _put_owners([*_other_owners(canary, existing), _our_reference(canary, existing)])]


def owned_patch(canary: Canary, existing: Object) -> list[Operation]:
    """Make the canary one of the copy's owners; there is one controller at the most, and the first one stays it."""
    owners = [*_other_owners(canary, existing), _our_reference(canary, existing)]
    return [*unchanged(existing), _put_owners(owners)]


def disowned_patch(canary: Canary, existing: Object) -> list[Operation]:
    """Leave the copy to its other owners."""
    return [*unchanged(existing), _put_owners(_other_owners(canary, existing))]


def _put_owners(owners: list[dict[str, Any]]) -> Operation:
    return put("/metadata/ownerReferences", owners)


def _our_reference(canary: Canary, existing: Object) -> dict[str, Any]:
    is_controlled = any(owner.get("controller") for owner in _other_owners(canary, existing))
    return owner_reference(canary) | ({"controller": False} if is_controlled else {})


def _other_owners(canary: Canary, existing: Object) -> list[dict[str, Any]]:
    return [
        owner
        for owner in existing["metadata"].get("ownerReferences") or ()
        if (owner.get("kind"), owner.get("name")) != (CANARY_KIND, canary.name)
    ]
