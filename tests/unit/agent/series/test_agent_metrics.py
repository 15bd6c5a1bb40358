"""What `/metrics` shows of the agent itself."""

import asyncio
import time

import pytest

from agent.loop_lag import watch_loop_lag
from agent.series.agent_metrics import AgentMetrics
from service.lifetime import running
from tests.support.exposition import exposed


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
