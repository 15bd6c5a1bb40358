"""What an act has at hand: the user's commands, and waiting for what they bring about."""

import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from sandbox.demo import grafana, traffic
from sandbox.demo.cluster import Cluster, CommandError
from sandbox.demo.dashboard import DashboardError
from sandbox.demo.figures import CANARY
from sandbox.demo.guide_lines import OBJECTS, TAKEN_OVER, UPSTREAMS
from sandbox.demo.manifests import Manifests
from sandbox.demo.moments import ImageSet, LoadBegan, Moment, PhaseSeen, event_texts, weights
from sandbox.demo.observer import Observer
from sandbox.demo.timeline import Timeline
from sandbox.demo.verdict import Seen

TOLD = "tells which canary takes over"
REFUSED = "refused, with all its faults"

_ENDS = {"Initialized", "Succeeded", "Failed"}
_KINDS = "deployment,hpa,service,virtualservice,routetable,upstream,canary"
_IMAGE = ("spec", "template", "spec", "containers", 0, "image")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_AGENT_RESTARTS = (
    "-n gloo-system get pods -l app.kubernetes.io/name=serin-agent "
    "-o jsonpath={.items[*].status.containerStatuses[*].restartCount}"
)
_FAULTS_PER_SECOND = 20.0


class Stage:
    """One act's. `manifests` has the files that are applied, `waits_for` what the act waited for last."""

    def __init__(self, cluster: Cluster, observer: Observer, timeline: Timeline, manifests: Manifests) -> None:
        self.manifests = manifests
        self._cluster = cluster
        self._observer = observer
        self._timeline = timeline
        self._first = len(observer.moments)
        self._found: dict[str, str] = {}
        self.waits_for = ""

    @property
    def moments(self) -> list[Moment]:
        """What was seen since the act began."""
        return self._observer.moments[self._first :]

    async def kubectl(self, arguments: str) -> str:
        """Run kubectl as the guide does, shown after what led to it."""
        await self._timeline.catch_up()
        return await self._cluster.kubectl(arguments)

    async def set_image(self, tag: str) -> None:
        """The user's change."""
        image = f"stefanprodan/podinfo:{tag}"
        await self._timeline.catch_up()
        self._observer.record(ImageSet(time.monotonic(), image))
        said = await self.kubectl(f"-n test set image deployment/{CANARY} podinfod={image}")
        is_told = any(TAKEN_OVER.fits(line) for line in said.splitlines())
        self._found["set image"] = TOLD if is_told else said

    async def try_faulty(self, path: str, faults: Sequence[str]) -> None:
        """Apply a Canary that must be refused, and note which of its faults were not told, or that it was taken."""
        try:
            await self.kubectl(f"apply -f {path}")
        except CommandError as error:
            untold = [fault for fault in faults if f"{fault}: found" not in error.output]
            self._found["faulty canary"] = f"refused without a word on {', '.join(untold)}" if untold else REFUSED
        else:
            self._found["faulty canary"] = "taken"

    @asynccontextmanager
    async def requesting(self, path: str, *, answered: int) -> AsyncIterator[None]:
        """Ask for `path` through the gateway during the block, as the guide does with `watch curl`, only more often."""
        load, urls = traffic.Load(_FAULTS_PER_SECOND, answered), {path: traffic.GATEWAY + path}
        await self._timeline.catch_up()
        await self._cluster.show_run(load.command(urls))
        async with traffic.running(load, self._cluster, urls, self._observer.record):
            self.waits_for = f"{path} to be answered with {answered}"
            await self._observer.until(
                lambda: any(isinstance(moment, LoadBegan) and moment.url == path for moment in self.moments)
            )
            yield

    async def kill_agent(self) -> None:
        """End the agent's process at once, as a machine that runs out of memory does."""
        await self._timeline.catch_up()
        await self._cluster.run(*traffic.PYTHON, "sandbox.demo.kill", "python", "-m", "agent")

    async def ask_dashboard(self) -> None:
        """Ask everything that the Grafana dashboard asks, and note which panels show nothing."""
        began_s = self._observer.moments[0].at_s - time.monotonic() + time.time()
        try:
            panels = await grafana.ask_panels(self._cluster.urls["prometheus"], since_s=began_s)
        except (DashboardError, aiohttp.ClientError, TimeoutError) as error:
            raise CommandError(f"the dashboard's queries: {error}") from error
        for panel, answers in panels.items():
            self._cluster.screen.mark(f"{panel:<17}  {grafana.describe(answers)}", is_good=grafana.has_data(answers))
        empty = [panel for panel, answers in panels.items() if not grafana.has_data(answers)]
        self._found["panels without data"] = ", ".join(empty) or "none"

    async def until_available(self, deployment: str) -> None:
        """Return once a Deployment has replicas that are available."""

        def is_available() -> bool:
            found = self._observer.deployments.get(deployment, {})
            return bool((found.get("status") or {}).get("availableReplicas"))

        self.waits_for = f"deployment {deployment} to be available"
        await self._observer.until(is_available)

    async def until_weight(self, least_percent: int) -> None:
        """Return once the canary gets so much of the traffic."""
        self.waits_for = f"a canary weight of {least_percent}"
        await self._observer.until(lambda: max(weights(self.moments), default=0) >= least_percent)

    async def until_end(self) -> None:
        """Return once what the act began has ended, one way or another."""
        self.waits_for = f"a status of {', '.join(sorted(_ENDS))}"
        await self._observer.until(
            lambda: any(isinstance(moment, PhaseSeen) and moment.phase in _ENDS for moment in self.moments)
        )

    async def until_event(self, text: str) -> None:
        """Return once an event with this text was seen: news follow the status that they tell of."""
        self.waits_for = f"the event {text!r}"
        await self._observer.until(lambda: text in event_texts(self.moments))

    async def until_scaled_down(self) -> None:
        """Return once the canary has no pods left to speak of."""
        self.waits_for = f"deployment {CANARY} to be scaled to zero"
        await self._observer.until(lambda: self._replicas() == "0")

    async def look(self) -> Seen:
        """Look at what came of the act, with the guide's own command; what can't be had is left out."""
        objects = await self._ask(f"-n test get {_KINDS} -o name", is_shown=False)
        restarts = await self._ask(_AGENT_RESTARTS, is_shown=False)
        listing = await self._ask(f"-n test get canary {CANARY}", is_shown=True)
        details = {
            "failed checks": _field(self._observer.canaries.get(CANARY), "status", "failedChecks"),
            "primary image": _field(self._observer.deployments.get(f"{CANARY}-primary"), *_IMAGE),
            "canary replicas": self._replicas(),
            "agent restarts": restarts or None,
        }
        known = {*OBJECTS.values(), *UPSTREAMS}
        return Seen(
            events=event_texts(self.moments),
            weights=weights(self.moments),
            end=columns(listing)
            | {name: value for name, value in (details | self._found).items() if value is not None},
            objects=tuple(name for name in objects.split() if name in known),
        )

    def _replicas(self) -> str | None:
        return _field(self._observer.deployments.get(CANARY), "spec", "replicas")

    async def _ask(self, arguments: str, *, is_shown: bool) -> str:
        try:
            return await self._cluster.kubectl(arguments, is_shown=is_shown)
        except CommandError:
            return ""


def _field(found: Any, *path: str | int) -> str | None:
    """A field of an object that was seen, as text; None where there is no such thing."""
    for step in path:
        try:
            found = found[step]
        except (LookupError, TypeError):
            return None
    return str(found)


def columns(listing: str) -> dict[str, str]:
    """`kubectl get` of one object: column to value, a time as `<time>`. A listing of anything else gives nothing."""
    lines = [line.split() for line in listing.splitlines()]
    header, *rows = lines or [[]]
    if len(rows) != 1 or len(header) != len(rows[0]):
        return {}
    values = ("<time>" if _TIME.fullmatch(value) else value for value in rows[0])
    return dict(zip(header, values, strict=True))
