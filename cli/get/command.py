"""`serin get`: what is read, and in which form it is printed."""

import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from cli.cluster.access import Access
from cli.cluster.failures import Failed
from cli.cluster.options import is_live_terminal
from cli.cluster.resources import CANARIES, TARGETS
from cli.cluster.watching import Query, watching
from cli.exit_codes import ExitCode
from cli.frames import draw, print_new
from cli.get import table, tree
from cli.get.sides import read_tree, read_workload
from cli.outputs import Output, as_text
from cli.rollout.canary import CanaryView
from cli.rollout.sides import Side, selector_of
from cli.terminal import Line, show
from kube.resource import PODS, Objects

_AGES_S: Final = 1.0
"""How often ages are drawn anew in a terminal."""


async def get(access: Access, name: str, output: Output, *, is_watched: bool) -> ExitCode:
    """Print one canary or all of them; with a watch until the user has seen enough."""
    if is_watched and output in {Output.JSON, Output.YAML, Output.NAME}:
        raise Failed(f"-w with -o {output}; allowed: -w with text or wide", ExitCode.USAGE)
    if name:
        return await _get_one(access, name, output, is_watched=is_watched)
    found = await access.client.list(CANARIES, access.namespace)
    if output in {Output.JSON, Output.YAML}:
        listed: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": _without_fields(found)}
        sys.stdout.write(as_text(listed, output))
    elif output is Output.NAME:
        show(f"canary.flagger.app/{obj['metadata']['name']}" for obj in found)
    elif is_watched:
        await _watch_table(access, output)
    else:
        _show_table(access, found, output)
    return ExitCode.OK


def _show_table(access: Access, found: Objects, output: Output) -> None:
    if not found:
        where = f"in namespace {access.namespace}" if access.namespace else "in any namespace"
        sys.stderr.write(f"serin: found no canaries {where}\n")
        return
    shown = table.columns(across=access.namespace is None, wide=output is Output.WIDE)
    cells = table.rows(table.in_order(map(CanaryView.read, found)), shown, time.time())
    show(table.lines(cells, table.widths(cells)))


async def _watch_table(access: Access, output: Output, name: str = "") -> None:
    is_live = is_live_terminal()
    async with watching(access.client, Query(CANARIES, access.namespace, name=name)) as watched:

        async def frames() -> AsyncIterator[Sequence[Line]]:
            wide: list[int] = []
            shown = table.columns(across=access.namespace is None, wide=output is Output.WIDE)
            # Ages change each line every second: where lines are printed once, they would never end.
            if not is_live:
                shown = tuple(column for column in shown if column.heading != "CHANGED")
            async for _ in watched.changes(at_least_every_s=_AGES_S if is_live else None):
                cells = table.rows(table.in_order(map(CanaryView.read, watched.items(0))), shown, time.time())
                # Wider ones later would print all lines again.
                wide = table.widths(cells) if is_live or not wide else wide
                yield table.lines(cells, wide)

        await (draw if is_live else print_new)(frames())


async def _get_one(access: Access, name: str, output: Output, *, is_watched: bool) -> ExitCode:
    obj = await access.canary(name)
    if output in {Output.JSON, Output.YAML}:
        sys.stdout.write(as_text(_without_fields([obj])[0], output))
    elif output is Output.NAME:
        show([f"canary.flagger.app/{name}"])
    elif is_watched:
        await (_watch_tree(access, name) if is_live_terminal() else _watch_table(access, output, name))
    else:
        show(tree.lines(await read_tree(access, CanaryView.read(obj)), time.time()))
    return ExitCode.OK


async def _watch_tree(access: Access, name: str) -> None:
    async def frames() -> AsyncIterator[Sequence[Line]]:
        while True:
            view = CanaryView.read(await access.canary(name))
            async for frame in _tree_frames(access, view):
                yield frame

    await draw(frames())


async def _tree_frames(access: Access, view: CanaryView) -> AsyncIterator[Sequence[Line]]:
    """Yield the tree after each change, until other pods belong to a side than those that are watched."""
    resource, namespace = TARGETS.get(view.target_kind), view.namespace
    if resource is None:
        raise Failed(f"spec.targetRef.kind: found {view.target_kind!r}; allowed: {', '.join(TARGETS)}")
    names = (view.primary, view.target)
    selectors = [selector_of(found) if (found := await read_workload(access, view, one)) else "" for one in names]
    queries = [Query(CANARIES, namespace, name=view.name), *(Query(resource, namespace, name=one) for one in names)]
    pods = [Query(PODS, namespace, label_selector=one) for one in selectors if one]
    async with watching(access.client, *queries, *pods) as watched:
        async for _ in watched.changes(at_least_every_s=_AGES_S):
            if not watched.items(0):
                raise Failed(f"canary {view.name} was deleted")
            sides = [next(iter(watched.items(place)), None) for place in (1, 2)]
            if [selector_of(side) if side else "" for side in sides] != selectors:
                return
            own = iter(range(len(queries), len(queries) + len(pods)))
            primary, canary = (
                Side.read(side, watched.items(next(own)), is_primary=place == 0) if side else None
                for place, side in enumerate(sides)
            )
            yield list(tree.lines(tree.Tree(CanaryView.read(watched.items(0)[0]), primary, canary), time.time()))


def _without_fields(found: Objects) -> Objects:
    """Return objects without managedFields, as kubectl prints them."""
    return [
        {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            **obj,
            "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"},
        }
        for obj in found
    ]
