"""Playing the acts, one after the other, on a cluster that is up."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from sandbox.api import Api
from sandbox.demo.acts import Act
from sandbox.demo.cluster import Cluster, CommandError
from sandbox.demo.figures import LIMITS, detect_s, first_weight_s, worst
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
    """What has been played and measured; `as_json` is demo.json."""

    acts: Sequence[Act]
    pace: Pace
    results: list[ActResult] = field(default_factory=list)
    measured: dict[str, list[float]] = field(default_factory=dict)

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
        is_fast = all(LIMITS[name].holds(value) for name, value in self.figures().items())
        return 0 if self.is_as_in_the_guide and is_fast else 1

    def figures(self) -> dict[str, float | None]:
        """The worst value of each figure."""
        return worst(self.measured)

    def note(self, name: str, values: Sequence[float]) -> None:
        """Add measured values of a figure."""
        self.measured.setdefault(name, []).extend(values)

    def as_json(self) -> dict[str, Any]:
        """`{"acts": [...], "figures": {...}}`."""
        return {"acts": [result.as_json() for result in self.all_results], "figures": self.figures()}


@dataclass
class Performance:
    """Where the acts are played and shown; `canary_file` is the canary's manifest, as kubectl is told it."""

    cluster: Cluster
    screen: Screen
    canary_file: str

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
            for number, act in enumerate(programme.acts, start=1):
                self.screen.heading(f"Act {number} of {len(programme.acts)} · {act.title}")
                result, stage = await self._play_one(act, programme.pace, observer, timeline)
                programme.results.append(result)
                programme.note("detect_s", detect_s(stage.moments))
                programme.note("first_weight_s", first_weight_s(stage.moments))
                self.screen.act_ended(result)
                if not result.is_ok:
                    break
            for task in looking_on:
                task.cancel()

    async def _play_one(self, act: Act, pace: Pace, observer: Observer, timeline: Timeline) -> tuple[ActResult, Stage]:
        started_s = time.monotonic()
        timeline.begin(started_s)
        stage = Stage(self.cluster, observer, self.canary_file)
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
