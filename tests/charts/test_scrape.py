"""The agent's page as Prometheus takes it: all of it, and a canary's series end with the canary."""

import subprocess
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp

from agent.series.agent_metrics import AgentMetrics
from canary.rules.shape import parse_canary
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.traffic import Traffic
from sandbox.paths import bin_dir
from tests.support.eventually import eventually
from tests.support.exposition import exposed, stored
from tests.support.prometheus import prometheus_of

FORGED = 'p99 "checkout" \\ latency\n} 1\nflagger_canary_status{name="victim",namespace="shop"'
RUNNING = State(phase=Phase.PROGRESSING, traffic=Traffic(20))


def canaries() -> list[dict[str, Any]]:
    forging = [{"name": FORGED, "query": "x", "thresholdRange": {"max": 1}}]
    return [stored(RUNNING), stored(RUNNING, "shop", {"metrics": forging})]


def test_the_page_has_no_fault_but_flaggers_own_name_of_a_gauge() -> None:
    metrics = AgentMetrics("0", canaries=canaries)
    metrics.canaries.count_checks(parse_canary(stored()), (), 0.1)
    page = metrics.render([])[0]
    done = subprocess.run([bin_dir() / "promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode()
    assert said == 'flagger_canary_total non-counter metrics should not have "_total" suffix\n'


async def test_each_series_is_scraped_and_goes_with_its_canary(tmp_path: Path) -> None:
    kept = canaries()
    metrics = AgentMetrics("0", canaries=lambda: kept)

    def page() -> str:
        return metrics.render([])[0].decode()

    async with prometheus_of(page, tmp_path) as server, aiohttp.ClientSession() as session:

        async def seen(expression: str) -> dict[str, float]:
            async with session.get(f"{server}/api/v1/query", params={"query": expression}) as response:
                if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                    return {"Prometheus has not started yet": 0}
                found = (await response.json())["data"]["result"]
            return {one["metric"].get("metric", one["metric"].get("name", "")): float(one["value"][1]) for one in found}

        by_name = 'count by (name) ({name!="",namespace="test"})'
        expected = {
            name: sum(f'name="{name}"' in series for series in exposed(metrics)) for name in ("podinfo", "shop")
        }
        await eventually(lambda: seen(by_name), lambda found: found == expected)
        assert await seen('serin_canary_metric_threshold{name="shop"}') == {FORGED: 1}
        assert await seen('flagger_canary_status{name="victim"}') == {}
        del kept[1]
        await eventually(lambda: seen(by_name), lambda found: found == {"podinfo": expected["podinfo"]})
