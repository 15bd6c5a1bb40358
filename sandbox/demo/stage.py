"""What an act has at hand: the user's commands, and waiting for what they bring about."""

import re
import time
from typing import Any

from sandbox.demo.cluster import Cluster, CommandError
from sandbox.demo.figures import CANARY
from sandbox.demo.guide_lines import OBJECTS, UPSTREAMS
from sandbox.demo.moments import ImageSet, Moment, PhaseSeen, event_texts, weights
from sandbox.demo.observer import Observer
from sandbox.demo.verdict import Seen

_ENDS = {"Initialized", "Succeeded", "Failed"}
_KINDS = "deployment,hpa,service,virtualservice,routetable,upstream,canary"
_IMAGE = ("spec", "template", "spec", "containers", 0, "image")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Stage:
    """One act's. `canary_file` is the manifest that is applied, `waits_for` what the act waited for last."""

    def __init__(self, cluster: Cluster, observer: Observer, canary_file: str) -> None:
        self.canary_file = canary_file
        self._cluster = cluster
        self._observer = observer
        self._first = len(observer.moments)
        self.waits_for = ""

    @property
    def moments(self) -> list[Moment]:
        """What was seen since the act began."""
        return self._observer.moments[self._first :]

    async def kubectl(self, arguments: str) -> str:
        """Run kubectl as the guide does, shown."""
        return await self._cluster.kubectl(arguments)

    async def set_image(self, tag: str) -> None:
        """The user's change."""
        image = f"stefanprodan/podinfo:{tag}"
        self._observer.record(ImageSet(time.monotonic(), image))
        await self.kubectl(f"-n test set image deployment/{CANARY} podinfod={image}")

    async def until_available(self, deployment: str) -> None:
        """Return once a Deployment has replicas that are available."""

        def is_available() -> bool:
            found = self._observer.deployments.get(deployment, {})
            return bool((found.get("status") or {}).get("availableReplicas"))

        self.waits_for = f"deployment {deployment} to be available"
        await self._observer.until(is_available)

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

    async def look(self) -> Seen:
        """Look at what came of the act, with the guide's own command; what can't be had is left out."""
        objects = await self._ask(f"-n test get {_KINDS} -o name", is_shown=False)
        listing = await self._ask(f"-n test get canary {CANARY}", is_shown=True)
        deployments = self._observer.deployments
        details = {
            "failed checks": _field(self._observer.canaries.get(CANARY), "status", "failedChecks"),
            "primary image": _field(deployments.get(f"{CANARY}-primary"), *_IMAGE),
            "canary replicas": _field(deployments.get(CANARY), "spec", "replicas"),
        }
        known = {*OBJECTS.values(), *UPSTREAMS}
        return Seen(
            events=event_texts(self.moments),
            weights=weights(self.moments),
            end=columns(listing) | {name: value for name, value in details.items() if value is not None},
            objects=tuple(name for name in objects.split() if name in known),
        )

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
