"""What `/metrics` shows of the agent itself: how late it is, and what waits."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.keyed_queue import KeyedQueue
from agent.loop import CanaryLoop
from agent.loop_lag import watch_loop_lag
from agent.series.agent_metrics import AgentMetrics
from agent.tick import CanaryTicker
from agent.turns import Turn, Urgency
from kube.store import Key
from service.lifetime import running
from tests.support.canaries import canary_object
from tests.support.exposition import exposed
from tests.unit.agent.test_loop import deposed_services


def test_the_agent_names_itself_as_flagger_does() -> None:
    assert exposed(AgentMetrics("1.2.3"))['flagger_info{mesh_provider="gloo",version="1.2.3"}'] == 1


async def test_an_event_loop_that_was_held_up_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.loop_lag._LOOK_EVERY_S", 0.0)
    metrics = AgentMetrics("1.2.3")
    async with running(watch_loop_lag(metrics.observe_loop_lag), "lag"):
        await asyncio.sleep(0)
        time.sleep(0.06)  # noqa: ASYNC251  it is the fault that is to be seen
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    shown = exposed(metrics)
    late = shown["serin_event_loop_lag_seconds_count"] - shown['serin_event_loop_lag_seconds_bucket{le="0.05"}']
    assert late >= 1


class Lags:
    """A loop whose ticks do nothing, and the clock by which it tells how late each is."""

    def __init__(self, metrics: AgentMetrics, loop: CanaryLoop) -> None:
        self.now_s, self.metrics, self.loop = 0.0, metrics, loop
        self._before_s = 0.0

    def clock(self) -> float:
        return self.now_s

    async def tick(self, at_s: float) -> float:
        """Begin a tick at a time; return how late the page says that it was."""
        self.now_s = at_s
        await self.loop._take_turn()
        total_s = exposed(self.metrics)["serin_tick_lag_seconds_sum"]
        late_s, self._before_s = total_s - self._before_s, total_s
        return round(late_s, 6)


async def test_a_tick_is_late_from_when_something_woke_it_or_its_time_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def do_nothing(_: CanaryTicker) -> None:
        return None

    metrics = AgentMetrics("1.2.3")
    monkeypatch.setattr(CanaryTicker, "tick", do_nothing)
    async with deposed_services(tmp_path, metrics) as services:
        lags = Lags(metrics, CanaryLoop(Key("test", "podinfo"), services))
        monkeypatch.setattr("agent.loop.time", SimpleNamespace(monotonic=lags.clock))
        lags.loop._due_at_s = 0.0
        assert await lags.tick(at_s=0.25) == 0.25

        sleeping = asyncio.create_task(lags.loop._sleep(None))
        await asyncio.sleep(0)
        for lags.now_s in (10.0, 11.0):
            lags.loop.wake()
        await sleeping
        assert await lags.tick(at_s=12.5) == 2.5

        lags.now_s = 20.0
        await lags.loop._sleep(0.001)
        lags.loop.wake()
        assert await lags.tick(at_s=20.501) == 0.5

        # What woke it in its tick is due when that is over.
        lags.loop.wake()
        lags.now_s = 30.0
        await lags.loop._sleep(None)
        assert await lags.tick(at_s=30.125) == 0.125


async def test_after_a_failure_no_tick_is_due_before_its_pause_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def do_nothing(_: CanaryTicker) -> None:
        return None

    metrics = AgentMetrics("1.2.3")
    monkeypatch.setattr(CanaryTicker, "tick", do_nothing)
    async with deposed_services(tmp_path, metrics) as services:
        lags = Lags(metrics, CanaryLoop(Key("test", "podinfo"), services))
        monkeypatch.setattr("agent.loop.time", SimpleNamespace(monotonic=lags.clock))
        lags.loop._failures = 1
        lags.now_s = 40.0
        lags.loop.wake()
        await lags.loop._sleep(0.001)
        assert await lags.tick(at_s=40.251) == 0.25


async def test_what_waits_is_shown_by_queue(tmp_path: Path) -> None:
    metrics, release = AgentMetrics("1.2.3"), asyncio.Event()

    def waiting() -> dict[str, float]:
        found = {series: value for series, value in exposed(metrics).items() if series.startswith("serin_queue_length")}
        return {series.partition('"')[2].partition('"')[0]: value for series, value in found.items()}

    async with deposed_services(tmp_path, metrics) as services:
        assert waiting() == {"ticks": 0, "runs": 0, "queries": 0, "alerts": 0, "events": 0, "eventHooks": 0}
        turns = [asyncio.create_task(Turn(services.turns).take(Urgency.RUNNING)) for _ in range(11)]
        await asyncio.sleep(0)
        services.recorder.record(canary_object(), "Normal", "Synced", "one")
        assert waiting() == {"ticks": 3, "runs": 0, "queries": 0, "alerts": 0, "events": 1, "eventHooks": 0}
        turns[-1].cancel()
        await asyncio.sleep(0)
        assert waiting()["ticks"] == 2
        for turn in turns:
            turn.cancel()
        await asyncio.gather(*turns, return_exceptions=True)

    async def work(_: int) -> None:
        await release.wait()

    async with KeyedQueue[str, int]("jobs", work, capacity=10, drain_s=60.0) as queues:
        assert [queues.put(key, 1, "test") for key in ("a", "a", "b")] == [None] * 3
        assert queues.waiting == 3
        release.set()
    assert queues.waiting == 0
