"""What was made of objects, kept while they are the same: a tick looks at everything, and most has not changed."""

from collections.abc import Callable, Hashable
from operator import is_
from typing import Any, Final, TypeVar, overload

from agent.status_times import KEPT_TIMES
from kube.resource import Object

_BOOKKEEPING: Final = frozenset({"resourceVersion", "generation", "managedFields", *KEPT_TIMES})

T = TypeVar("T")


class Memo:
    """The last result of each of one canary's computations.

    A computation must depend on its inputs alone. Of these, objects and models count by identity, for they are replaced
    and never changed: what is in a cache, and what was read of it; numbers and texts count by value.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[tuple[object, ...], Any]] = {}
        self._written: dict[Hashable, tuple[Object, tuple[object, ...], Object]] = {}

    def of(self, what: Hashable, inputs: tuple[object, ...], compute: Callable[[], T]) -> T:
        """Return what `compute` returned of the same inputs the last time, or does now. What it raises is not kept."""
        known = self._known.get(what)
        if known is not None and len(known[0]) == len(inputs) and _are_same(known[0], inputs):
            found: T = known[1]
            return found
        made = compute()
        self._known[what] = (inputs, made)
        return made

    @overload
    def written(self, obj: Object) -> Object: ...

    @overload
    def written(self, obj: Object | None) -> Object | None: ...

    def written(self, obj: Object | None) -> Object | None:
        """Return what is written of a cached object, None of none: the same one until anything else is written.

        That is all but its status and the bookkeeping of the API server: controllers write a status many times a run,
        and what is made of the rest is not made anew for it. A cache has the parts that did not change from version to
        version (`kube.packing.sharing`). A computation that gets no more can't depend on more.
        """
        if obj is None:
            return None
        what = (obj.get("kind"), obj["metadata"]["name"])
        known = self._written.get(what)
        if known is not None and known[0] is obj:
            return known[2]
        parts = _parts(obj)
        is_rewritten = known is None or len(known[1]) != len(parts) or not _are_same(known[1], parts)
        made = _without_the_rest(obj) if known is None or is_rewritten else known[2]
        self._written[what] = (obj, parts, made)
        return made


def _parts(obj: Object) -> tuple[object, ...]:
    fields = [value for field, value in obj.items() if field not in {"metadata", "status"}]
    return (*fields, *(value for field, value in obj["metadata"].items() if field not in _BOOKKEEPING))


def _without_the_rest(obj: Object) -> Object:
    metadata = {field: value for field, value in obj["metadata"].items() if field not in _BOOKKEEPING}
    return {**{field: value for field, value in obj.items() if field != "status"}, "metadata": metadata}


def _are_same(known: tuple[object, ...], inputs: tuple[object, ...]) -> bool:
    return all(map(is_, known, inputs)) or all(map(_is_same, known, inputs))


def _is_same(one: object, other: object) -> bool:
    return one is other or (isinstance(one, str | int | float) and one == other)
