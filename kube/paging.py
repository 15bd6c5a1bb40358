"""How many objects a page of a list is asked for: bounded by bytes, as far as what came so far tells their size."""

from __future__ import annotations

MOST_OBJECTS = 500
PAGE_BYTES = 512 * 1024
FIRST_OBJECTS = 20
"""Nothing is known of their size yet: of the largest that etcd takes these are 30 MiB."""

_MOST_GROWTH = 4


class PageLimit:
    """The limit of the next page; `first` is that of the first one."""

    def __init__(self, first: int = FIRST_OBJECTS) -> None:
        self.objects = first
        self._largest_bytes = 1

    def note(self, objects: int, size_bytes: int) -> None:
        """Take a page into account. The largest mean size counts: objects that are large may come in a row."""
        self._largest_bytes = max(self._largest_bytes, size_bytes // max(objects, 1))
        fitting = max(1, PAGE_BYTES // self._largest_bytes)
        self.objects = min(MOST_OBJECTS, self.objects * _MOST_GROWTH, fitting)
