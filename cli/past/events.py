"""`serin events`: the Events of canaries, the newest last."""

import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from canary.api.shown import shown
from canary.run.moments import read_known_time
from cli.cluster.access import Access
from cli.cluster.watching import Query, watching
from cli.exit_codes import ExitCode
from cli.frames import print_new
from cli.outputs import ValueOutput, as_text
from cli.rollout.ages import moment
from cli.rollout.styles import HELD, QUIET, STRONG
from cli.terminal import Line, show
from kube.resource import EVENTS, Object, Objects

_TIMES: Final = ("lastTimestamp", "eventTime", "firstTimestamp")
_WARNING: Final = "Warning"


@dataclass(frozen=True, slots=True)
class EventView:
    """An Event of a canary's; `at_s` is when it was said last, to the second. `version` orders those of one second."""

    at_s: float
    version: int
    namespace: str
    name: str
    type: str
    text: str
    count: int

    @property
    def order(self) -> tuple[float, int]:
        """Return where it stands among others."""
        return self.at_s, self.version

    @classmethod
    def read(cls, obj: Object) -> Self:
        """Read an Event."""
        about: dict[str, Any] = obj.get("involvedObject") or {}
        version = str(obj["metadata"].get("resourceVersion") or "")
        moments = [read_known_time(obj.get(key)) for key in _TIMES]
        return cls(
            next((one for one in moments if one is not None), 0.0),
            int(version) if version.isdecimal() else 0,
            shown(str(about.get("namespace") or "")),
            shown(str(about.get("name") or "")),
            shown(str(obj.get("type") or "")),
            shown(str(obj.get("message") or "")),
            int(obj.get("count") or 1),
        )


async def events(access: Access, name: str, types: Sequence[str], output: ValueOutput, *, is_watched: bool) -> ExitCode:
    """Print the Events of one canary or of all; with a watch those that follow, too."""
    if name:
        await access.canary(name)  # one that is not there has no events for another reason
    fields = "involvedObject.kind=Canary" + (f",involvedObject.name={name}" if name else "")
    if output in {ValueOutput.JSON, ValueOutput.YAML}:
        found = _of_types(await access.client.list(EVENTS, access.namespace, field_selector=fields), types)
        ordered = sorted(found, key=lambda obj: EventView.read(obj).order)
        sys.stdout.write(as_text({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": ordered}, output))
        return ExitCode.OK
    if not is_watched:
        found = await access.client.list(EVENTS, access.namespace, field_selector=fields)
        texts = _lines(_of_types(found, types), is_one=bool(name))
        show(texts)
        if not texts:
            sys.stderr.write("serin: found no events; the API server keeps them for an hour\n")
        return ExitCode.OK

    async def frames() -> AsyncIterator[Sequence[Line]]:
        async with watching(access.client, Query(EVENTS, access.namespace, field_selector=fields)) as watched:
            async for _ in watched.changes():
                yield _lines(_of_types(watched.items(0), types), is_one=bool(name))

    await print_new(frames())
    return ExitCode.OK


def _of_types(found: Objects, types: Sequence[str]) -> Objects:
    wanted = {one.casefold() for one in types}
    return [obj for obj in found if not wanted or str(obj.get("type") or "").casefold() in wanted]


def _lines(found: Iterable[Object], *, is_one: bool) -> list[Line]:
    views = sorted(map(EventView.read, found), key=lambda view: view.order)
    return [_line(view, is_one=is_one) for view in views]


def _line(view: EventView, *, is_one: bool) -> Line:
    return [
        (f"{moment(view.at_s)}  ", QUIET),
        (f"{view.type:<7}  ", HELD if view.type == _WARNING else QUIET),
        ("" if is_one else f"{view.namespace}/{view.name}  ", STRONG),
        (view.text, ""),
        (f" (x{view.count})" if view.count > 1 else "", QUIET),
    ]
