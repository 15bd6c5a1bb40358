"""The controllers of a replayed cluster: pods become ready, Gloo accepts and acknowledges, after the usual times."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.stored_api.managers import time_text
from tests.support.stored_api.store import Object, Place, Store

# Seconds: a Deployment's controller counts its pods, and these are ready one after the other.
_COUNTED_AFTER_S: Final = 0.05
_FIRST_READY_AFTER_S: Final = 0.9
_READY_AFTER_S: Final = 1.0

# As recorded of Gloo: it empties the proxy's entry 0.6 s after a change of the routes, and fills it 1.6 s after it.
_EMPTIED_AFTER_S: Final = 0.6
_FILLED_AFTER_S: Final = 1.6

_PROXY: Final = "*v1.Proxy.gateway-proxy_gloo-system"
_GLOO: Final = "gloo-system"


@dataclass
class Controllers:
    """Follow a store. `on_available` is told of each Deployment whose pods have become ready."""

    store: Store
    on_available: Callable[[Place], None] = lambda _: None
    _filling: dict[Place, asyncio.TimerHandle] = field(default_factory=dict)

    def start(self) -> None:
        """Follow from now on."""
        self.store.listeners.append(self._on_change)

    def _on_change(self, place: Place, before: Object | None, now: Object | None) -> None:
        if now is None:
            return
        match place.plural:
            case "deployments":
                self._on_deployment(place, before, now)
            case "routetables":
                self._on_table(place, before, now)
            case "upstreams":
                self._on_upstream(place, before, now)
            case _:
                pass

    def _on_deployment(self, place: Place, before: Object | None, now: Object) -> None:
        generation = now["metadata"]["generation"]
        if before is not None and before["metadata"]["generation"] == generation:
            return
        replicas = int(now["spec"].get("replicas", 1))
        had = 0 if before is None else int((before.get("status") or {}).get("readyReplicas", 0))
        is_same_template = before is not None and before["spec"]["template"] == now["spec"]["template"]
        steps = [(_COUNTED_AFTER_S, had if is_same_template else 0)]
        if replicas == 0:
            steps = [(_COUNTED_AFTER_S, 0)]
        elif not (is_same_template and had >= replicas):
            steps += [(_FIRST_READY_AFTER_S, max(replicas - 1, 0)), (_READY_AFTER_S, replicas)]
        for after_s, ready in steps:
            self._later(after_s, self._write_pods, place, generation, replicas, min(ready, replicas))

    def _write_pods(self, place: Place, generation: int, replicas: int, ready: int) -> None:
        found = self.store.get(place)
        if found is None or found["metadata"]["generation"] != generation:
            return
        counts = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready, "availableReplicas": ready}
        known: Object = {"observedGeneration": generation} | {name: number for name, number in counts.items() if number}
        now = time_text(time.time())
        known["conditions"] = [
            {
                "type": "Available",
                "status": str(ready == replicas),
                "lastUpdateTime": now,
                "lastTransitionTime": now,
                "reason": "MinimumReplicasAvailable",
                "message": "Deployment has minimum availability.",
            }
        ]
        self.store.edit(place, lambda obj: obj.update(status=known), "kube-controller-manager")
        if replicas and ready == replicas:
            self.on_available(place)

    def _on_table(self, place: Place, before: Object | None, now: Object) -> None:
        if before is not None and before["spec"] == now["spec"]:
            return
        if place in self._filling:
            self._filling.pop(place).cancel()
        self._later(_EMPTIED_AFTER_S, self._write_gloo, place, {_PROXY: {}})
        accepted = {_PROXY: {"reportedBy": "gloo", "state": "Accepted"}}
        self._filling[place] = self._later(_FILLED_AFTER_S, self._write_gloo, place, accepted)

    def _on_upstream(self, place: Place, before: Object | None, now: Object) -> None:
        if before is None or before["spec"] != now["spec"]:
            self._later(_EMPTIED_AFTER_S, self._write_gloo, place, None)

    def _write_gloo(self, place: Place, proxies: dict[str, Any] | None) -> None:
        if self.store.body(place) is None:
            return
        status = {"reportedBy": "gloo", "state": "Accepted"}
        said = status if proxies is None else status | {"subresourceStatuses": proxies}
        self.store.edit(place, lambda obj: obj.update(status={"statuses": {_GLOO: said}}), "gloo")

    @staticmethod
    def _later(after_s: float, call: Callable[..., None], *arguments: Any) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(after_s, call, *arguments)
