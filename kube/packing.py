"""Objects kept small: as packed text until somebody reads them.

Parsed, a Deployment takes eight times its JSON, and thirty times the packed JSON. A cache holds all of a cluster, of
which few are ever read.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.resource import Object

# The fastest one; the objects are small.
_LEVEL = 1


class PackedObject:
    """An object as text, beside an outline of it. What was read once stays unpacked: it will be read again."""

    __slots__ = ("_packed", "_unpacked", "outline")

    def __init__(self, obj: Object, outline: Callable[[Object], Object]) -> None:
        self.outline = outline(obj)
        self._packed = zlib.compress(orjson.dumps(obj), _LEVEL)
        self._unpacked: Object | None = None

    def read(self) -> Object:
        """Return the object, for somebody who will read it again."""
        if self._unpacked is None:
            self._unpacked = self.glance()
        return self._unpacked

    def glance(self) -> Object:
        """Return the object, and keep it no larger than before."""
        if self._unpacked is not None:
            return self._unpacked
        unpacked: Object = orjson.loads(zlib.decompress(self._packed))
        return unpacked
