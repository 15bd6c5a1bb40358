"""What the agent takes of memory: for workloads that belong to no canary, at rest and while they change all the time.

python -m benchmarks.memory
"""

import asyncio
import json
import os
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson
import typer
import uvloop

from agent.caches import Caches
from benchmarks.proc import memory_mib
from benchmarks.scale.replayed import running_agent
from canary.run.revision import content_hash
from kube.cache import Cache
from kube.client import WatchEvent
from kube.resource import DEPLOYMENTS, Object
from tests.support.stored_api.server import StoredApi, serving_api
from tests.support.stored_api.store import Place, Store, place_of

_WORKLOADS: Final = 500

_FOREIGN: Final = 10_000
_NAMESPACE_SIZE: Final = 100
_EVENTS: Final = 10_000
_EVENTS_AT_ONCE: Final = 50
_EVENTS_PAUSE_S: Final = 0.1
_SETTLE_S: Final = 3.0
_ROUNDS: Final = 3


def measure() -> dict[str, float]:
    """Return KiB a Deployment in a cache, and MiB that an agent has resident.

    `foreign_10000`: what it has more with so many Deployments that no canary names. `events_10000`: what so many events
    on them add to that, a second and a third time, and the CPU time that they take; `_peak` is before them.
    """
    return _kept() | uvloop.run(_resident())


def _kept() -> dict[str, float]:
    client: Any = None  # nothing is asked
    kept = _kib_each(lambda: Caches(client, "").of(DEPLOYMENTS))
    whole = _kib_each(lambda: Cache(client, DEPLOYMENTS))
    size = len(orjson.dumps(_deployment(0))) / 1024
    return {
        "deployment_json_kib": round(size, 1),
        "deployment_whole_kib": round(whole, 1),
        "deployment_kept_kib": round(kept, 2),
        "whole_to_kept": round(whole / kept, 1),
    }


def _kib_each(make: Callable[[], Cache]) -> float:
    """Measure what is left of memory once the watch has told of the objects, as text from the API server."""
    texts = [orjson.dumps(_deployment(number)) for number in range(_WORKLOADS)]
    tracemalloc.start()
    try:
        cache = make()
        before, _ = tracemalloc.get_traced_memory()
        for text in texts:
            cache._handle_event(WatchEvent("ADDED", orjson.loads(text)))  # noqa: SLF001  without a server
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / _WORKLOADS / 1024


async def _resident() -> dict[str, float]:
    store = Store()
    async with serving_api(StoredApi(store)) as url:
        with TemporaryDirectory() as folder:
            async with running_agent(Path(folder), url, "http://127.0.0.1:1", _core()) as agent:
                await asyncio.sleep(_SETTLE_S)
                empty_mib = agent.rss_mib()
        places = [_create(store, number) for number in range(_FOREIGN)]
        with TemporaryDirectory() as folder:
            async with running_agent(Path(folder), url, "http://127.0.0.1:1", _core()) as agent:
                await asyncio.sleep(_SETTLE_S)
                full_mib, peak_mib = agent.rss_mib(), memory_mib(agent.process_id)["VmHWM"]
                rounds_mib, cpu_s = [full_mib], []
                for round_number in range(_ROUNDS):
                    before = agent.look()
                    await _change(store, places, round_number)
                    cpu_s.append((agent.look() - before).cpu_s)
                    rounds_mib.append(agent.rss_mib())
    first, *others = (round(after - before, 1) for before, after in pairwise(rounds_mib))
    return {
        "resident_mib": round(empty_mib, 1),
        "foreign_10000_mib": round(full_mib - empty_mib, 1),
        "foreign_10000_peak_mib": round(peak_mib - empty_mib, 1),
        "events_10000_mib": first,
        "events_10000_again_mib": max(others),
        "events_10000_cpu_s": round(min(cpu_s), 2),
    }


async def _change(store: Store, places: list[Place], round_number: int) -> None:
    """Write the status of one Deployment after the other: a minute's worth of a busy cluster, in less."""

    def observe(deployment: Object) -> None:
        deployment["status"]["observedGeneration"] = round_number + 2

    for number in range(_EVENTS):
        store.edit(places[number % len(places)], observe, "kube-controller-manager")
        if number % _EVENTS_AT_ONCE == 0:
            await asyncio.sleep(_EVENTS_PAUSE_S)
    await asyncio.sleep(_SETTLE_S)


def _create(store: Store, number: int) -> Place:
    made = _deployment(number)
    made["metadata"]["namespace"] = f"foreign-{number // _NAMESPACE_SIZE}"
    return place_of("deployments", store.create("deployments", made))


def _core() -> int:
    return min(os.sched_getaffinity(0))


def _deployment(number: int) -> Object:
    """A Deployment of some 8 KiB without what field managers note, which no cache keeps."""
    name = f"shop-{number}"
    containers = [
        {
            "name": f"c{container}",
            "image": f"registry.example.com/team-{number % 7}/{name}:{number}.{container}",
            "env": [
                {"name": f"SETTING_{key}_OF_{container}", "value": content_hash([number, container, key])}
                for key in range(25)
            ],
            "volumeMounts": [{"name": f"v{mount}", "mountPath": f"/mnt/{name}/{mount}"} for mount in range(3)],
        }
        for container in range(3)
    ]
    labels = {"app": name, "team": f"team-{number % 7}"}
    metadata = {"name": name, "namespace": "test", "uid": f"uid-{number}", "resourceVersion": str(number + 1)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata | {"generation": 1, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "observedGeneration": 1},
    }


def main() -> None:
    """Measure, and print the figures."""
    print(json.dumps(measure(), indent=2))


if __name__ == "__main__":
    typer.run(main)
