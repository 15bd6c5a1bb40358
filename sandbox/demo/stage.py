"""Where the acts are played: the commands that a user types, and what is seen of the cluster meanwhile."""

import asyncio
import shlex
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from kube.cache import Cache
from kube.client import Client
from kube.resource import DEPLOYMENTS, EVENTS, Object, Resource
from kube.store import Change
from sandbox.demo import screen
from sandbox.demo.figures import Moment
from sandbox.demo.installs import Install
from sandbox.demo.load import Load

_CANARIES = Resource("flagger.app", "v1beta1", "canaries", "Canary")
_ROUTE_TABLES = Resource("gateway.solo.io", "v1", "routetables", "RouteTable")
_NOT_SHOWN = {"image", "decided"}
_ENDS = {"Initialized", "Succeeded", "Failed"}
# What `pipx install` puts on PATH, from this checkout.
_PROGRAMS = {"serin": (sys.executable, "-m", "cli")}


class DemoError(Exception):
    """The demo does not go on as it should; the message says why, in one line."""


class Stage:
    """`moments` grows while `watch` runs; `canary` and `deployments` (by name) are as they were seen last.

    `act_at_s` is when the act began, on the monotonic clock; `waits_for` says what is waited for now; `install` is by
    what Serin was installed.
    """

    def __init__(self, install: Install) -> None:
        self.install = install
        self.moments: list[Moment] = []
        self.canary: Object = {}
        self.deployments: dict[str, Object] = {}
        self.waits_for = ""
        self.act_at_s = time.monotonic()
        self._first = 0
        self._arrived = asyncio.Event()

    def begin_act(self) -> None:
        """Begin an act: what is seen from here on belongs to it."""
        self.act_at_s, self._first = time.monotonic(), len(self.moments)

    def of_act(self, *kinds: str) -> list[Moment]:
        """Return the moments of these kinds since the act began."""
        return [moment for moment in self.moments[self._first :] if moment.kind in kinds]

    def texts(self, *kinds: str) -> list[str]:
        """Return the texts of these moments."""
        return [moment.text for moment in self.of_act(*kinds)]

    def seen(self) -> dict[str, Any]:
        """Return what came of the act: its events, the canary's weights in percent, and how it all ended."""
        weights = [int(weight) for weight in self.texts("weight")]
        end: dict[str, Any] = {}
        with suppress(LookupError):  # an act that failed may have brought forth less
            primary, target = (self.deployments[name]["spec"] for name in ("podinfo-primary", "podinfo"))
            end |= {
                "STATUS": self.canary["status"]["phase"],
                "failed checks": self.canary["status"]["failedChecks"],
                "primary image": primary["template"]["spec"]["containers"][0]["image"],
                "canary replicas": target["replicas"],
            }
        return {"events": self.texts("event", "warning"), "weights": weights, "end": end}

    async def run(self, line: str, *, is_refused: bool = False) -> None:
        """Run a command and show it. Raises DemoError if it fails, or if it succeeds though it should be refused."""
        screen.command(line)
        self.waits_for = f"the end of `{line}`"
        program, *arguments = shlex.split(line)
        process = await asyncio.create_subprocess_exec(
            *_PROGRAMS.get(program, (program,)),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        async for shown in process.stdout:  # as they come: some commands follow a run
            screen.output(shown.decode(errors="replace").rstrip("\n"))
        if (await process.wait() != 0) is not is_refused:
            raise DemoError(f"`{line}` ended with code {process.returncode}")

    async def set_image(self, tag: str) -> None:
        """Change the image as a user does."""
        self.note("image", tag)
        await self.run(f"kubectl -n test set image deployment/podinfo podinfod=stefanprodan/podinfo:{tag}")

    @asynccontextmanager
    async def requesting(self, url: str, answer: int) -> AsyncIterator[None]:
        """Ask for a URL as the guide does with `watch curl`, only more often, from its first answer on."""
        screen.say(f"20 requests a second, in the place of: watch curl -H 'Host: app.example.com' {url}")
        async with Load(url, per_second=20, expected=answer, note=self.note).running():
            await self.until(f"{url} to be answered with {answer}", lambda: bool(self.texts("load")))
            yield

    async def until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait until `is_so`, which is asked whenever anything was seen; `what` names it."""
        self.waits_for = what
        while not is_so():
            await self._arrived.wait()

    async def until_weight(self, least_percent: int) -> None:
        """Wait until the canary gets so much of the traffic."""
        await self.until(
            f"a canary weight of {least_percent}",
            lambda: max(map(int, self.texts("weight")), default=0) >= least_percent,
        )

    async def until_ended(self, phase: str, event: str) -> None:
        """Wait for the end of what the act began, and the event about it. Raises DemoError if it ends otherwise."""
        await self.until(f"the status {phase}", lambda: not _ENDS.isdisjoint(self.texts("status")))
        if phase not in self.texts("status"):
            raise DemoError(f"found the status {self.texts('status')[-1]}; expected: {phase}")
        await self.until(f"the event {event!r}", lambda: event in self.texts("event", "warning"))

    async def watch(self, client: Client) -> None:
        """Watch until cancelled."""
        canaries = "involvedObject.kind=Canary"
        caches = {
            Cache(client, EVENTS, namespace="test", field_selector=canaries): self._note_event,
            Cache(client, _ROUTE_TABLES, namespace="test"): self._note_route_table,
            Cache(client, _CANARIES, namespace="test"): self._note_canary,
            Cache(client, DEPLOYMENTS, namespace="test"): self._note_deployment,
        }
        async with asyncio.TaskGroup() as tasks:
            for cache, note in caches.items():
                cache.subscribe(note)
                tasks.create_task(cache.run(), name=f"watch {cache.resource.plural}")

    def note(self, kind: str, text: str, at_s: float | None = None) -> None:
        """Add and show a moment: now, or at `at_s` on the monotonic clock."""
        moment = Moment(time.monotonic() if at_s is None else at_s, kind, text)
        self.moments.append(moment)
        if kind not in _NOT_SHOWN:
            screen.moment(moment, self.act_at_s)
        self._wake()

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()

    def _note_event(self, change: Change) -> None:
        before, event = change.old or {"count": 0}, change.new
        if event is not None and int(event.get("count") or 1) > int(before.get("count") or 0):
            self.note("event" if event["type"] == "Normal" else "warning", event["message"])

    def _note_route_table(self, change: Change) -> None:
        weight = canary_weight(change.new)
        if weight is not None and weight != canary_weight(change.old):
            self.note("weight", str(weight))

    def _note_canary(self, change: Change) -> None:
        self.canary = change.new or {}
        status, before = self.canary.get("status") or {}, (change.old or {}).get("status") or {}
        if "phase" in status and status["phase"] != before.get("phase"):
            if status["phase"] == "Failed":
                decided_s = datetime.fromisoformat(status["serin"]["lastDecisiveAt"]).timestamp()
                self.note("decided", "rollback", decided_s - time.time() + time.monotonic())
            self.note("status", status["phase"])

    def _note_deployment(self, change: Change) -> None:
        name = change.key.name
        self.deployments[name] = change.new or {}
        if is_available(change.new) and not is_available(change.old):
            self.note("ready" if name == "podinfo" else "pods", f"deployment {name} is available")
        self._wake()


def canary_weight(route_table: Object | None) -> int | None:
    """Return the canary Upstream's weight, None while there is no route to it. An omitted weight is 0, as for Gloo."""
    for route in ((route_table or {}).get("spec") or {}).get("routes") or ():
        for destination in ((route.get("routeAction") or {}).get("multi") or {}).get("destinations") or ():
            if "-canaryupstream-" in destination["destination"]["upstream"]["name"]:
                return int(destination.get("weight") or 0)
    return None


def is_available(deployment: Object | None) -> bool:
    """Return whether all replicas that the newest spec wants are available, and none is of an older template."""
    if deployment is None:
        return False
    status, wanted = deployment.get("status") or {}, int(deployment["spec"].get("replicas", 1))
    counts = {int(status.get(name) or 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    is_current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return wanted > 0 and is_current and counts == {wanted}
