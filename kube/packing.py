"""Objects kept small: as text until somebody reads them, or no more of them than an outline.

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

    @property
    def version(self) -> str:
        """Return the resourceVersion."""
        return version_of(self.outline)

    def read(self) -> Object:
        """Return the object, for somebody who will read it again."""
        if self._unpacked is None:
            self._unpacked = self.glance()
            self._packed = b""
        return self._unpacked

    def glance(self) -> Object:
        """Return the object, and keep it no larger than before."""
        if self._unpacked is not None:
            return self._unpacked
        unpacked: Object = orjson.loads(zlib.decompress(self._packed))
        return unpacked


class Outline:
    """No more than an outline of an object, as text: there is such an object, and nobody uses it."""

    __slots__ = ("_text", "version")

    def __init__(self, outline: Object) -> None:
        self.version = version_of(outline)
        # A copy: what orjson returns holds 4 KiB, however short it is. And any part of what was parsed would hold on to
        # the memory around it.
        self._text = bytes(memoryview(orjson.dumps(outline)))

    @property
    def outline(self) -> Object:
        """Return the outline."""
        outline: Object = orjson.loads(self._text)
        return outline


def version_of(obj: Object) -> str:
    """Return an object's resourceVersion, "" where it has none."""
    return str(obj["metadata"].get("resourceVersion", ""))
