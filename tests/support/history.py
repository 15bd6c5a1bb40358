"""What the API server stored in a namespace, version by version, in the order of its writes."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from typing import Any

from tests.support.api import watch
from tests.support.cluster import Cluster
from tests.support.exposure import exposure

Object = dict[str, Any]

_WATCHED = ("canary", "routetable", "deployment", "daemonset")


@dataclass(frozen=True, slots=True)
class Version:
    """One object as it was stored.

    `order` counts all writes to the cluster, of whatever object; `seen_at_s` is when the watch told of this one, in
    seconds since the epoch: at the time of the write, or a little later.
    """

    order: int
    seen_at_s: float
    obj: Object


class History:
    """Grows while the watches run. Each change of it wakes those who wait for something to be so."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[Version]] = defaultdict(list)
        self._changed = threading.Condition()
        self._fault = ""
        self.writes = 0
        """How many versions of the Canary and the RouteTable there are: about so many effects of agents."""

    def take(self, kind: str, event: Object) -> None:
        """Take in an event of a kind's watch."""
        with self._changed:
            if event["type"] == "ERROR":
                self._fault = f"the watch of {kind}: {event['object']}"
            else:
                self._add(kind, event["object"])
            self._changed.notify_all()

    def _add(self, kind: str, obj: Object) -> None:
        order = int(obj["metadata"]["resourceVersion"])
        self._versions[kind, obj["metadata"]["name"]].append(Version(order, time.time(), obj))
        self.writes += kind in {"canary", "routetable"}

    def versions(self, kind: str, name: str) -> list[Version]:
        """Return every version of an object."""
        with self._changed:
            return list(self._versions[kind, name])

    def available(self, kind: str, name: str) -> list[int]:
        """Return how many pods of a workload served, version by version."""
        count = {"deployment": "availableReplicas", "daemonset": "numberAvailable"}[kind]
        return [version.obj.get("status", {}).get(count, 0) for version in self.versions(kind, name)]

    def see_without_pod(self, kind: str, name: str) -> None:
        """See that a workload, which had pods when the watch began, had none for a time, and has some again."""

        def was_without() -> bool:
            pods = self.available(kind, name)
            return 0 in pods and pods[-1] > 0

        self.wait_for(f"the {kind} {name} was without a pod, so that something was tried", was_without)

    def pairs(self, kind: str, name: str) -> Iterator[tuple[Version, Version]]:
        """Return every version of an object but the first, each with the one before it."""
        return pairwise(self.versions(kind, name))

    def latest(self, kind: str, name: str) -> Object:
        """Return an object as it is stored now; empty when there is none."""
        with self._changed:
            versions = self._versions[kind, name]
            return versions[-1].obj if versions else {}

    def comes_true(self, is_so: Callable[[], bool], within_s: float) -> bool:
        """Wait until it is so; False when it is not, in all that time.

        Raises:
            AssertionError: a watch broke.
        """
        with self._changed:
            is_true = self._changed.wait_for(lambda: bool(self._fault) or is_so(), timeout=max(within_s, 0))
            assert not self._fault, self._fault
            return is_true

    def wait_for(self, what: str, is_so: Callable[[], bool], within_s: float = 120.0) -> None:
        """Wait until it is so; a failure says what was waited for, and how the canary and its route stand."""
        if not self.comes_true(is_so, within_s):
            status = json.dumps(self.latest("canary", "app").get("status"), indent=1)
            raise AssertionError(f"not within {within_s:g} s: {what}\nroute: {self.exposure}\n{status}")

    @property
    def status(self) -> Object:
        """The canary's status now."""
        status: Object = self.latest("canary", "app").get("status") or {}
        return status

    @property
    def phase(self) -> str:
        return str(self.status.get("phase", ""))

    @property
    def exposure(self) -> str:
        """How the route sends requests to the canary side now."""
        table = self.latest("routetable", "app")
        return exposure(table) if table else ""

    def exposures(self) -> list[tuple[Version, str]]:
        """Return the exposures of the route in order, without repeats, each with the version that began it."""
        found: list[tuple[Version, str]] = []
        for version in self.versions("routetable", "app"):
            shown = exposure(version.obj)
            if not found or found[-1][1] != shown:
                found.append((version, shown))
        return found

    def routed(self) -> list[str]:
        """Return the exposures of the route in order, without repeats."""
        return [shown for _, shown in self.exposures()]

    def writes_in_short(self) -> list[Object]:
        """Return what was stored of the canary's intent and of its route, in order."""
        statuses = [(version, version.obj.get("status")) for version in self.versions("canary", "app")]
        found = [*statuses, *((version, shown) for version, shown in self.exposures())]
        found.sort(key=lambda pair: pair[0].order)
        return [{"order": version.order, "seen_at_s": version.seen_at_s, "stored": stored} for version, stored in found]

    def moves(self) -> list[tuple[int, list[str]]]:
        """Return the number and the news of each move of the intent, in the order in which they were stored.

        A number comes twice where the status was lost between: the next move is counted from what the route knows.
        """
        statuses = [version.obj.get("status") or {} for version in self.versions("canary", "app")]
        ours = [status["serin"] for status in statuses if "serin" in status]
        told = [(one["sequence"], [news["text"] for news in one.get("news", ())]) for one in ours]
        return [move for move, _ in groupby(told)]


@contextmanager
def watching(cluster: Cluster, namespace: str) -> Iterator[History]:
    """Watch a namespace's canaries, route tables and workloads until the block ends."""
    history = History()
    with ExitStack() as stack:
        for kind in _WATCHED:
            stack.enter_context(watch(cluster.kubeconfig, namespace, kind, partial(history.take, kind)))
        yield history
