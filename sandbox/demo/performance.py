"""Playing the acts, one after the other, on a cluster that is up."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sandbox.api import Api
from sandbox.demo import traffic
from sandbox.demo.acts import Act
from sandbox.demo.cluster import Cluster, CommandError
from sandbox.demo.figures import LIMITS, of_act, worst
from sandbox.demo.manifests import Manifests
from sandbox.demo.moments import Moment, RequestFailed
from sandbox.demo.observer import Observer
from sandbox.demo.pace import Pace
from sandbox.demo.screen import Screen
from sandbox.demo.stage import Stage
from sandbox.demo.timeline import Timeline
from sandbox.demo.verdict import ActResult, differences

# Lines that should not come any more would come within so long.
_AFTERMATH_S = 1.0


@dataclass
class Programme:
    """What has been played and measured; `as_json` is demo.json. `lost` are the requests that failed unintended."""

    acts: Sequence[Act]
    pace: Pace
    results: list[ActResult] = field(default_factory=list)
    measured: dict[str, list[float]] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)

    @property
    def all_results(self) -> list[ActResult]:
        """A result for each act, those that were not come to included."""
        missing = self.acts[len(self.results) :]
        return self.results + [ActResult.unplayed(act.name, act.expected(self.pace)) for act in missing]

    @property
    def is_as_in_the_guide(self) -> bool:
        return all(result.is_ok for result in self.all_results)

    @property
    def exit_code(self) -> int:
        """0 when all went as in the guide and every figure is within its limit."""
        is_within = all(LIMITS[name].holds(value) for name, value in self.figures().items())
        return 0 if self.is_as_in_the_guide and is_within else 1

    def figures(self) -> dict[str, float | None]:
        """The worst value of each figure."""
        return worst(self.measured)

    def note(self, name: str, values: Sequence[float]) -> None:
        """Add measured values of a figure."""
        self.measured.setdefault(name, []).extend(values)

    def note_act(self, act: Act, moments: Sequence[Moment]) -> None:
        """Add what an act's moments give."""
        for name, values in of_act(moments).items():
            self.note(name, values)
        self.lost += [
            {"act": act.name, "to": moment.url, "why": moment.why, "at_s": round(moment.at_s - moments[0].at_s, 2)}
            for moment in moments
            if isinstance(moment, RequestFailed) and moment.url in traffic.USERS_URLS
        ]

    def as_json(self) -> dict[str, Any]:
        """`{"acts": [...], "figures": {...}, "lost": [...]}`, the last with the first failed requests."""
        acts = [result.as_json() for result in self.all_results]
        return {"acts": acts, "figures": self.figures(), "lost": self.lost}


@dataclass
class Performance:
    """Where the acts are played and shown, and with which manifests."""

    cluster: Cluster
    screen: Screen
    manifests: Manifests

    async def play(self, programme: Programme) -> None:
        """Play until the end, or until an act goes otherwise: those after it would only fail for the same reason."""
        async with (
            Api.from_kubeconfig(self.cluster.state.kubeconfig) as api,
            aiohttp.ClientSession() as session,
            asyncio.TaskGroup() as group,
        ):
            observer = Observer(api)
            timeline = Timeline(observer, self.screen, session, self.cluster.urls["agent"])
            looking_on = [
                group.create_task(observer.run(), name="observer"),
                group.create_task(timeline.run(), name="timeline"),
            ]
            users = traffic.Load(traffic.USERS_PER_SECOND)
            async with traffic.running(users, self.cluster, traffic.USERS_URLS, observer.record):
                await self._play_acts(programme, observer, timeline)
            self._note_load(programme, users)
            for task in looking_on:
                task.cancel()

    async def _play_acts(self, programme: Programme, observer: Observer, timeline: Timeline) -> None:
        for number, act in enumerate(programme.acts, start=1):
            self.screen.heading(f"Act {number} of {len(programme.acts)} · {act.title}")
            result, stage = await self._play_one(act, programme.pace, observer, timeline)
            programme.results.append(result)
            programme.note_act(act, stage.moments)
            self.screen.act_ended(result)
            if not result.is_ok:
                break

    def _note_load(self, programme: Programme, users: traffic.Load) -> None:
        if users.answers:
            programme.note("requests", [users.requests])
            programme.note("failed_requests", [users.failed])
        else:
            self.screen.failure("\n".join(["the load ended without its counts", *users.words]))

    async def _play_one(self, act: Act, pace: Pace, observer: Observer, timeline: Timeline) -> tuple[ActResult, Stage]:
        started_s = time.monotonic()
        timeline.begin(started_s)
        stage = Stage(self.cluster, observer, timeline, self.manifests)
        problems: list[str] = []
        try:
            async with asyncio.timeout(pace.longest_run_s):
                await act.play(stage)
        except TimeoutError:
            problems.append(f"after {pace.longest_run_s:g} s it still waited for {stage.waits_for}")
        except CommandError as error:
            problems.append(str(error))
        seconds = time.monotonic() - started_s
        await asyncio.sleep(_AFTERMATH_S)
        await timeline.catch_up()
        seen = await stage.look()
        expected = act.expected(pace)
        problems += differences(expected, seen)
        return ActResult(act.name, seconds, expected, seen, tuple(problems)), stage
