"""Objects kept small: as text until somebody reads them, or no more of them than an outline.

Parsed, a Deployment takes eight times its JSON, and thirty times the packed JSON. A cache holds all of a cluster, of
which few are ever read.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from kube.resource import Object

# The fastest one; the objects are small.
_LEVEL = 1


class PackedObject:
    """An object as text, beside an outline of it. What was read once stays unpacked: it will be read again."""

    __slots__ = ("_packed", "_unpacked", "outline")

    def __init__(
        self, obj: Object, outline: Callable[[Object], Object], before: PackedObject | Object | None = None
    ) -> None:
        """Keep an object packed, unless the version `before` was read: whoever read that one reads this one, too."""
        self.outline = outline(obj)
        is_read = isinstance(before, PackedObject) and before.is_unpacked
        self._packed = b"" if is_read else zlib.compress(orjson.dumps(obj), _LEVEL)
        self._unpacked: Object | None = obj if is_read else None

    @property
    def version(self) -> str:
        """Return the resourceVersion."""
        return version_of(self.outline)

    @property
    def is_unpacked(self) -> bool:
        """Return whether somebody has read it."""
        return self._unpacked is not None

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


def sharing(obj: Object, before: Object) -> Object:
    """Copy a newer version of an object, with the parts that are as they were `before`: the same ones, not equal ones.

    Mostly it is the status alone that changed. Whoever made something of the rest need not make it again.
    """
    shared = {field: _same(value, before.get(field)) for field, value in obj.items()}
    metadata, known = obj["metadata"], before["metadata"]
    return shared | {"metadata": {field: _same(value, known.get(field)) for field, value in metadata.items()}}


def _same(value: Any, before: Any) -> Any:
    return before if isinstance(value, dict | list) and value == before else value


def version_of(obj: Object) -> str:
    """Return an object's resourceVersion, "" where it has none."""
    return str(obj["metadata"].get("resourceVersion", ""))
