"""What of a user's object is ours: noted on the object, so that what the canary no longer says can be taken away."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from canary.run.wire import OWNED_ANNOTATION
from render.objects import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedFields:
    """Keys that we set on a RouteTable: of its main route's options, of those copied to the routes in front, and of
    its labels and annotations. Other keys belong to others."""

    options: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Object) -> Self:
        """Read the note; one that can't be read says that nothing is ours."""
        text = (table["metadata"].get("annotations") or {}).get(OWNED_ANNOTATION)
        try:
            noted = json.loads(text) if text else {}
            return cls(**{name: tuple(noted.get(name, ())) for name in cls.__slots__})
        except (ValueError, AttributeError, TypeError):
            return cls()

    def text(self) -> str:
        """Spell the note."""
        return json.dumps({name: keys for name, keys in asdict(self).items() if keys}, separators=(",", ":"))


def overlay(found: Mapping[str, Any], wanted: Mapping[str, Any], was_ours: Collection[str]) -> dict[str, Any]:
    """Return `wanted` on top of `found`, less what was ours and is wanted no longer."""
    return {key: value for key, value in found.items() if key in wanted or key not in was_ours} | dict(wanted)
