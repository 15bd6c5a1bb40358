"""The workloads and pods of a canary, read from the cluster."""

import asyncio

from cli.cluster.access import Access
from cli.cluster.resources import TARGETS
from cli.get.tree import Tree
from cli.rollout.canary import CanaryView
from cli.rollout.sides import Side, selector_of
from kube.errors import Forbidden, NotFound
from kube.resource import PODS, Object, Objects


async def read_tree(access: Access, view: CanaryView) -> Tree:
    """Read both sides at once; what may not be read is a note, and the rest is shown."""
    notes: list[str] = []
    primary, canary = await asyncio.gather(
        _read_side(access, view, view.primary, notes, is_primary=True),
        _read_side(access, view, view.target, notes, is_primary=False),
    )
    return Tree(view, primary, canary, tuple(dict.fromkeys(notes)))


async def read_workload(access: Access, view: CanaryView, name: str) -> Object | None:
    """Read a side's workload, None where there is none."""
    resource = TARGETS.get(view.target_kind)
    if resource is None or not name:
        return None
    try:
        return await access.client.get(resource, name, view.namespace)
    except NotFound:
        return None


async def _read_side(access: Access, view: CanaryView, name: str, notes: list[str], *, is_primary: bool) -> Side | None:
    try:
        workload = await read_workload(access, view, name)
    except Forbidden as error:
        notes.append(f"no right: {error.message}")
        return None
    if workload is None:
        return None
    pods: Objects = []
    try:
        pods = await access.client.list(PODS, view.namespace, label_selector=selector_of(workload))
    except Forbidden as error:
        notes.append(f"no right: {error.message}")
    return Side.read(workload, pods, is_primary=is_primary)
