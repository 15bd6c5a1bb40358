"""Writes the statuses as Gloo does: after a change the proxy's entry is emptied, and a while later filled again."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from sandbox.api import Api, ApiError
from sandbox.gloo.delays import Delays
from sandbox.gloo.reports import PROXY, STATUS_NAMESPACE
from sandbox.gloo.snapshot import Collection, Json
from sandbox.gloo.translate import ObjectKey
from sandbox.gloo.view import ROUTE_TABLES, UPSTREAMS, VIRTUAL_SERVICES

_log = logging.getLogger(__name__)

GROUPS = {
    VIRTUAL_SERVICES: "/apis/gateway.solo.io/v1",
    ROUTE_TABLES: "/apis/gateway.solo.io/v1",
    UPSTREAMS: "/apis/gloo.solo.io/v1",
}
# All objects of a proxy share its entry, so Gloo rewrites all of them whenever one has changed. That is 1,200 writes
# for one step of 300 canaries; past this many objects only the changed ones are emptied.
_EMPTY_ALL_UP_TO = 50
_RETRY_S = 1.0
_HARMLESS = {404, 409, 422}  # deleted meanwhile, or changed under the patch: the next cycle looks again


class StatusWriter:
    """One cycle at a time: empty, wait, fill. A change that comes meanwhile gets the next cycle."""

    def __init__(self, api: Api, collections: Callable[[], Mapping[str, Collection]], delays: Callable[[], Delays]):
        self._api = api
        self._collections = collections
        self._delays = delays
        self._wanted: Mapping[ObjectKey, Json] = {}
        self._changed: set[ObjectKey] = set()
        self._empty_at_s = 0.0
        self._work = asyncio.Event()

    def want(self, statuses: Mapping[ObjectKey, Json], changed: set[ObjectKey]) -> None:
        """Let the statuses become `statuses` from now on; `changed` are the objects whose change led to them."""
        self._wanted = statuses
        if not self._work.is_set():
            self._empty_at_s = _now_s() + self._delays().status_emptied_s
        self._changed |= {key for key in changed if key[0] != UPSTREAMS}
        self._work.set()

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._work.wait()
            await asyncio.sleep(self._empty_at_s - _now_s())
            self._work.clear()
            changed, self._changed = self._changed, set()
            await self._write({key: _emptied(status) for key, status in self._to_empty(changed).items()})
            await asyncio.sleep(self._delays().status_filled_s)
            if not await self._write(self._wanted):
                await asyncio.sleep(_RETRY_S)
                self._work.set()

    def _to_empty(self, changed: set[ObjectKey]) -> Mapping[ObjectKey, Json]:
        shared = {key: status for key, status in self._wanted.items() if PROXY in status.get("subresourceStatuses", {})}
        if not changed or len(shared) <= _EMPTY_ALL_UP_TO:
            return shared if changed else {}
        return {key: status for key, status in shared.items() if key in changed}

    async def _write(self, statuses: Mapping[ObjectKey, Json]) -> bool:
        """Write those that differ from the cluster's; return whether all could be written."""
        while self._delays().is_stopped:  # noqa: ASYNC110  the switch is read where it lies, nothing signals it
            await asyncio.sleep(_RETRY_S / 10)
        collections = self._collections()
        is_whole = True
        for (kind, key), status in list(statuses.items()):
            item = collections[kind].get(key)
            if item is None or _status_of(item) == status:
                continue
            namespace, name = key
            path = f"{GROUPS[kind]}/namespaces/{namespace}/{kind}/{name}"
            try:
                await self._api.json_patch(
                    path, [{"op": "add", "path": f"/status/statuses/{STATUS_NAMESPACE}", "value": status}]
                )
            except ApiError as error:
                if error.status not in _HARMLESS:
                    _log.warning("%s: status not written: %s", path, error)
                    is_whole = False
        return is_whole


def _status_of(item: Json) -> Json | None:
    status: Json | None = ((item.get("status") or {}).get("statuses") or {}).get(STATUS_NAMESPACE)
    return status


def _emptied(status: Json) -> Json:
    return status | {"subresourceStatuses": {PROXY: {}}}


def _now_s() -> float:
    return asyncio.get_running_loop().time()
