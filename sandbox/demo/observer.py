"""Watches the cluster and notes each moment that the demo is about, as the watch brings it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from sandbox.api import Api, ApiError
from sandbox.demo.moments import (
    AvailableSeen,
    EventSeen,
    Moment,
    PhaseSeen,
    WeightSeen,
    available_replicas,
    canary_weight,
    decided_at_s,
)

_GONE = 410
_RETRY_S = 0.2
_NAMESPACE = "test"

_EVENTS = f"/api/v1/namespaces/{_NAMESPACE}/events"
_ROUTE_TABLES = f"/apis/gateway.solo.io/v1/namespaces/{_NAMESPACE}/routetables"
_CANARIES = f"/apis/flagger.app/v1beta1/namespaces/{_NAMESPACE}/canaries"
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{_NAMESPACE}/deployments"


class Observer:
    """`moments` grows while `run` runs; `canaries` and `deployments` have each object as it was seen last, by name."""

    def __init__(self, api: Api) -> None:
        self.moments: list[Moment] = []
        self.canaries: dict[str, dict[str, Any]] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        self._api = api
        self._arrived = asyncio.Event()
        self._counts: dict[str, int] = {}
        self._weight: int | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for path, fields, note in (
                (_EVENTS, "involvedObject.kind=Canary", self._note_event),
                (_ROUTE_TABLES, "", self._note_route_table),
                (_CANARIES, "", self._note_canary),
                (_DEPLOYMENTS, "", self._note_deployment),
            ):
                group.create_task(self._follow(path, fields, note), name=f"watch {path}")

    def record(self, moment: Moment) -> None:
        """Add a moment."""
        self.moments.append(moment)
        self._wake()

    async def more_than(self, known: int) -> None:
        """Return once there are more than `known` moments."""
        while len(self.moments) <= known:
            await self._arrived.wait()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return once `is_so`; it is asked again whenever anything was seen."""
        while not is_so():
            await self._arrived.wait()

    async def _follow(self, path: str, fields: str, note: Callable[[dict[str, Any]], None]) -> None:
        async for item in _objects(self._api, path, fields):
            note(item)
            self._wake()

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()

    def _note_event(self, event: dict[str, Any]) -> None:
        uid, count = event["metadata"]["uid"], int(event.get("count") or 1)
        if count > self._counts.get(uid, 0):
            self._counts[uid] = count
            self.record(EventSeen(time.monotonic(), event["message"], event["type"] == "Warning"))

    def _note_route_table(self, table: dict[str, Any]) -> None:
        weight = canary_weight(table)
        if weight is not None and weight != self._weight:
            self._weight = weight
            self.record(WeightSeen(time.monotonic(), weight))

    def _note_canary(self, canary: dict[str, Any]) -> None:
        name = canary["metadata"]["name"]
        before, self.canaries[name] = self.canaries.get(name, {}), canary
        phase = (canary.get("status") or {}).get("phase", "")
        if phase and phase != (before.get("status") or {}).get("phase"):
            now_s = time.monotonic()
            self.record(PhaseSeen(now_s, phase, decided_at_s(canary, epoch_s=now_s - time.time())))

    def _note_deployment(self, deployment: dict[str, Any]) -> None:
        name = deployment["metadata"]["name"]
        before, self.deployments[name] = self.deployments.get(name), deployment
        replicas = available_replicas(deployment)
        if replicas is not None and (before is None or available_replicas(before) is None):
            self.record(AvailableSeen(time.monotonic(), name, replicas))


async def _objects(api: Api, path: str, fields: str) -> AsyncIterator[dict[str, Any]]:
    """Each object of a collection, now and at every change, for ever; a broken watch begins again with a list."""
    while True:
        try:
            listed = await api.get(path, field_selector=fields)
            for item in listed["items"]:
                yield item
            version = str(listed["metadata"]["resourceVersion"])
            while True:
                async for event in api.watch(path, resource_version=version, field_selector=fields):
                    version = str(event["object"]["metadata"]["resourceVersion"])
                    if event["type"] in {"ADDED", "MODIFIED"}:
                        yield event["object"]
        except ApiError as error:
            if error.status != _GONE:
                await asyncio.sleep(_RETRY_S)
