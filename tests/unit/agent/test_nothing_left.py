"""Canaries that came and went leave nothing in an agent that works on for months."""

import asyncio
import gc
from collections import deque
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

from agent.caches import Caches
from agent.page.feed import MOST_GONE, Feed
from agent.page.recent import Recent
from agent.resources import CANARIES, UPSTREAMS
from agent.series.agent_metrics import AgentMetrics
from canary.rules.shape import parse_canary
from canary.run.phase import Phase
from canary.run.state import State
from kube.client import WatchEvent
from kube.resource import DEPLOYMENTS, SERVICES
from tests.unit.agent.test_supervisor import at_work, dying, labelled

CANARIES_THAT_CAME = 200

# A name that is nowhere else, so that it is found in whatever key or text it is left in.
MARK = "fleeting"


def left_in(*roots: object) -> list[str]:
    """Return the texts with the mark that can be reached from these, but for what is the program itself."""
    found, seen, to_visit = [], {id(root) for root in roots}, deque(roots)
    while to_visit:
        one = to_visit.popleft()
        if isinstance(one, str):
            if MARK in one:
                found.append(one)
            continue
        for other in _parts(one):
            if id(other) not in seen and not isinstance(other, ModuleType | type | FrameType):
                seen.add(id(other))
                to_visit.append(other)
    return found


def _parts(one: object) -> list[Any]:
    if isinstance(one, FunctionType):  # not its globals, which lead everywhere
        return [*(one.__closure__ or ()), *(one.__defaults__ or ())]
    # The garbage collector does not look at keys that are all texts.
    keys = [*one] if isinstance(one, dict) else []
    return [*keys, *gc.get_referents(one)]


def came(number: int, version: int) -> dict[str, Any]:
    name = f"{MARK}-{number}"
    made = dying(
        version,
        targetRef={"kind": "Deployment", "name": name},
        autoscalerRef={"kind": "HorizontalPodAutoscaler", "name": name},
        service={"port": 80},
    )
    made["metadata"] |= {"name": name, "uid": name, "namespace": f"{MARK}-{number // 100}"}
    return made


def owned(name: str, namespace: str, version: int) -> dict[str, Any]:
    made = labelled(version, name, app=name)
    made["metadata"] |= {"namespace": namespace, "uid": name}
    return made


def come_and_go(caches: Caches, metrics: AgentMetrics, number: int) -> None:
    """Show a canary with its objects, as the API server does, then their end."""
    version = 100 * number + 1
    canary = came(number, version)
    namespace, name = canary["metadata"]["namespace"], canary["metadata"]["name"]
    objects = [
        (DEPLOYMENTS, owned(name, namespace, version + 1)),
        (DEPLOYMENTS, owned(f"{name}-primary", namespace, version + 2)),
        (SERVICES, owned(f"{name}-canary", namespace, version + 3)),
        (UPSTREAMS, owned(f"{namespace}-{name}-canaryupstream-80", namespace, version + 4)),
    ]
    caches.of(CANARIES)._handle_event(WatchEvent("ADDED", canary))
    for resource, made in objects:
        caches.of(resource)._handle_event(WatchEvent("ADDED", made))
        caches.of(resource).get(namespace, made["metadata"]["name"])
    parsed = parse_canary(canary)
    caches.memo(parsed).of("spec", (canary,), lambda: parsed)
    caches.labelled.with_label(namespace, "app", name)
    metrics.canaries.count_end(parsed, State(phase=Phase.FAILED))
    caches.of(CANARIES)._handle_event(WatchEvent("DELETED", came(number, version + 10)))
    for position, (resource, made) in enumerate(objects, start=20):
        made["metadata"]["resourceVersion"] = str(version + position)
        caches.of(resource)._handle_event(WatchEvent("DELETED", made))


async def test_canaries_that_came_and_went_leave_nothing(tmp_path: Path) -> None:
    metrics = AgentMetrics("1.2.3")
    async with at_work(tmp_path, metrics, dying(1)) as (supervisor, caches):
        feed = Feed(caches, Recent(), dict)
        with feed.following():
            for number in range(1, CANARIES_THAT_CAME + 1):
                come_and_go(caches, metrics, number)
                if number == 1:
                    caches.of(CANARIES)._handle_event(WatchEvent("ADDED", came(0, 90)))
            assert left_in(supervisor, caches, metrics, feed), "the one that is there is found"
            caches.of(CANARIES)._handle_event(WatchEvent("DELETED", came(0, 200_000)))
            tasks = [task for task in asyncio.all_tasks() if MARK in task.get_name()]
            await asyncio.wait(tasks)
            del tasks
            assert len(feed._gone) <= MOST_GONE
            feed._gone.clear()
            assert left_in(supervisor, caches, metrics, feed) == []


async def test_of_canaries_that_another_leads_from_now_on_no_computations_are_kept(tmp_path: Path) -> None:
    """Shards wander: an agent would end with what it ever knew of the whole fleet."""
    metrics, canary = AgentMetrics("1.2.3"), came(1, 1)
    async with at_work(tmp_path, metrics, canary) as (_, caches):
        parsed = parse_canary(canary)
        memo = caches.memo(parsed)
        metrics.canaries.count_end(parsed, State(phase=Phase.FAILED))
    assert caches.memo(parsed) is not memo
    assert left_in(metrics.canaries._counts) == []
