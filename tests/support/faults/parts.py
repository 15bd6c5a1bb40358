"""Makes a cluster of an API server in memory: pods for Deployments, a Gloo that serves routes, users before Envoy."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.support.faults.api import NAMESPACE, Json, WorldApi
from tests.support.stored_api.store import Object, Place, place_of

_UP_AFTER_S: Final = 1.0
_DOWN_AFTER_S: Final = 0.1

# Recorded in tests/contract/gloo.
_SERVED_AFTER_S: Final = 0.4
_EMPTIED_AFTER_S: Final = 0.6
_FILLED_AFTER_S: Final = 1.0

GLOOS_KINDS: Final = ("routetables", "upstreams", "virtualservices")

_PROXY: Final = "*v1.Proxy.gateway-proxy_gloo-system"


@dataclass
class Pods:
    """Gives each Deployment its pods a moment after they are wanted. `lost`: those whose pods find no node."""

    api: WorldApi
    lost: set[str] = field(default_factory=set)
    _seen: dict[str, int] = field(default_factory=dict)

    def on_change(self, place: Place, obj: Object | None) -> None:
        """Look at a Deployment that was written."""
        if obj is None:
            self._seen.pop(place.name, None)
            return
        generation = obj["metadata"]["generation"]
        if self._seen.get(place.name) != generation:
            self._seen[place.name] = generation
            delay_s = _UP_AFTER_S if obj["spec"].get("replicas", 1) else _DOWN_AFTER_S
            asyncio.get_running_loop().call_later(delay_s, self.update, place.name)

    def available(self, name: str) -> int:
        """Return how many pods serve."""
        count: int = (self.api.get("deployments", name).get("status") or {}).get("availableReplicas", 0)
        return count

    def lose(self, name: str) -> None:
        """Take a Deployment's pods away with their node; there is no other one."""
        self.lost.add(name)
        self.update(name)

    def find(self, name: str) -> None:
        """Give them a node again."""
        self.lost.discard(name)
        asyncio.get_running_loop().call_later(_UP_AFTER_S, self.update, name)

    def update(self, name: str) -> None:
        """Write the status of a Deployment."""
        obj = self.api.get("deployments", name)
        if not obj:
            return
        wanted = obj["spec"].get("replicas", 1)
        ready = 0 if name in self.lost else wanted
        status = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        if obj.get("status") != status:
            place = Place("deployments", NAMESPACE, name)
            self.api.store.edit(place, lambda found: found.update(status=status), "kube-controller-manager")


@dataclass
class Gloo:
    """Serves each table a moment after it was written, then says so. `is_stopped`: it does neither.

    `refuses`: the reason why it rejects every table; what was served before stays.
    """

    api: WorldApi
    is_stopped: bool = False
    refuses: str = ""
    served: dict[str, dict[str, int]] = field(default_factory=dict)
    _seen: dict[Place, int] = field(default_factory=dict)

    def on_change(self, place: Place, obj: Object | None) -> None:
        """Look at an object of Gloo's that was written."""
        if obj is None:
            self._seen.pop(place, None)
            self._at(_SERVED_AFTER_S, self._serve, place)
            return
        if self._seen.get(place) == obj["metadata"]["generation"]:
            return
        self._seen[place] = obj["metadata"]["generation"]
        if place.plural == "routetables":
            self._at(_SERVED_AFTER_S, self._serve, place)
            self._at(_EMPTIED_AFTER_S, self._write, place, {})
        self._at(_EMPTIED_AFTER_S + _FILLED_AFTER_S, self._write, place, None)

    def reject(self) -> None:
        """Say of every table at once what is to be said of it."""
        for table in self.api.all_of("routetables"):
            self._write(place_of("routetables", table), None)

    def restart(self) -> None:
        """Begin to work again, from what is stored."""
        self.is_stopped = False
        self._seen.clear()
        for plural in GLOOS_KINDS:
            for obj in self.api.all_of(plural):
                self.on_change(place_of(plural, obj), obj)

    def _at(self, delay_s: float, action: Callable[..., None], *arguments: Any) -> None:
        asyncio.get_running_loop().call_later(delay_s, action, *arguments)

    def _serve(self, place: Place) -> None:
        if self.is_stopped or self.refuses:
            return
        table = self.api.store.get(place)
        if table is None:
            self.served.pop(place.name, None)
            return
        self.served[place.name] = weights_of(table)

    def _write(self, place: Place, proxies: Json | None) -> None:
        if self.is_stopped or self.api.store.body(place) is None:
            return
        state = {"state": "Rejected", "reason": self.refuses} if self.refuses else {"state": "Accepted"}
        of_proxies = {_PROXY: {"state": "Accepted"} if proxies is None else proxies}
        entry = state | {"reportedBy": "gloo", "subresourceStatuses": of_proxies}
        if place.plural == "upstreams":
            del entry["subresourceStatuses"]
        self.api.store.edit(place, lambda found: found.update(status={"statuses": {"gloo-system": entry}}), "gloo")


@dataclass
class Users:
    """Ask the gateway all the time: any side that it sends requests to must have a pod.

    `injected` has the Deployments whose pods a test took away: requests to them are the test's own doing. `lost` has
    when, and where to, requests were lost that nobody injected.
    """

    pods: Pods
    gloo: Gloo
    now_s: Callable[[], float]
    injected: set[str] = field(default_factory=set)
    lost: list[tuple[float, str]] = field(default_factory=list)
    asked: int = 0

    def look(self) -> None:
        """Send a request to each side that has a share."""
        for weights in self.gloo.served.values():
            for name, weight in weights.items():
                if not weight:
                    continue
                self.asked += 1
                if not self.pods.available(name) and name not in self.injected:
                    self.lost.append((self.now_s(), name))

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            await asyncio.sleep(0.5)
            self.look()


def weights_of(table: Json) -> dict[str, int]:
    """Return the weight of each side's Deployment in a table's last route, by its name."""
    routes = (table.get("spec") or {}).get("routes") or ()
    found: dict[str, int] = {}
    for destination in routes[-1]["routeAction"]["multi"]["destinations"] if routes else ():
        _, app, *rest = destination["destination"]["upstream"]["name"].split("-")
        side = "-primary" if "primaryupstream" in rest else ""
        found[f"{app}{side}"] = destination.get("weight", 0)
    return found


@dataclass
class Metrics:
    """A Prometheus that finds every release good, or as `rate` says, and no request on a side that is drained."""

    rate: str = "99.9"
    asked: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        form = await request.post()
        query = str(form.get("query") or request.query.get("query") or "")
        value = "0" if "envoy_cluster_upstream_rq_total" in query else self.rate
        result = [{"metric": {}, "value": [self.asked, value]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})


@dataclass
class Hooks:
    """The load tester; `calls` are the types of the hooks that were called."""

    calls: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(request.path.strip("/"))
        return web.Response(text="ok")
