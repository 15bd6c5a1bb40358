"""Is an object of the cluster as rendered?"""

from typing import Any, Final

from render.objects import Object

# Lists that the API server keeps as maps: ours are to be among them, in any order, beside those of others.
_KEYED_LISTS: Final = {"ownerReferences": ("uid",), "ports": ("port", "protocol")}


def is_as_rendered(live: Object, rendered: Object) -> bool:
    """Return whether every field that we render is there with our value; other fields don't count.

    For the bodies of server-side apply. The RouteTable is compared by its weights, the primary by its template.
    """
    return _covers(live, rendered, "")


def _covers(live: Any, rendered: Any, key: str) -> bool:
    if isinstance(rendered, dict):
        return isinstance(live, dict) and all(
            name in live and _covers(live[name], value, name) for name, value in rendered.items()
        )
    if not isinstance(rendered, list):
        return bool(live == rendered)
    if not isinstance(live, list):
        return False
    if key not in _KEYED_LISTS:
        return len(live) == len(rendered) and all(
            _covers(item, ours, "") for item, ours in zip(live, rendered, strict=True)
        )
    by_key = {_identity(item, key): item for item in live}
    return all(_covers(by_key.get(_identity(ours, key)), ours, "") for ours in rendered)


def _identity(item: Any, key: str) -> tuple[Any, ...]:
    return tuple(item.get(name) for name in _KEYED_LISTS[key])
