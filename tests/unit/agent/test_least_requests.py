"""`minRequests`: a value speaks of so many requests, however long that takes; until there were as many, none is known.

The metrics server here has a gateway's history: requests to the canary side, each with its moment and its code.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.caches import Caches
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.sources import Sources
from canary.run.judge import CheckResult, Verdict
from canary.run.state import Analysis, State
from tests.support.canaries import canary
from tests.support.patience import PATIENCE_S
from tests.support.web import serving

NOW_S = 1_000_000.0
Codes = Callable[[float], str]
"""The code of the answer so many seconds ago."""


@dataclass
class Gateway:
    """One request each `every_s` seconds, from `since_s` ago until `until_s` ago, and none in the `gap` between.

    `windows` are those asked for.
    """

    every_s: float
    since_s: float
    until_s: float = 0.0
    gap: range = range(0)
    code: Codes = lambda _: "200"
    windows: list[int] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        query = str((await request.post())["query"])
        window_s = max(map(int, re.findall(r"\[(\d+)s\]", query)))
        self.windows.append(window_s)
        first_s = min(self.since_s, window_s)
        ages_s = [self.until_s + self.every_s * number for number in range(1, 100_000)]
        codes = [self.code(age_s) for age_s in ages_s if age_s <= first_s and age_s not in self.gap]
        if "histogram_quantile" in query:
            found = {"": 120.0 if codes else float("nan")}
        elif "envoy_response_code" in query:
            found = {code: float(codes.count(code)) for code in set(codes)}
        else:
            found = {"": float(len(codes))}
        result = [{"metric": {"envoy_response_code": code}, "value": [1, str(value)]} for code, value in found.items()]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})


async def judged(gateway: Gateway, metric: str = "request-success-rate", **fields: Any) -> CheckResult:
    """Judge a check with a window of a minute, of a revision that has had traffic since the first request."""
    bounds = {"min": 99} if metric == "request-success-rate" else {"max": 500}
    made = canary({"metrics": [{"name": metric, "thresholdRange": bounds, "interval": "1m"} | fields]})
    assert made.analysis is not None
    client: Any = None
    state = State(analysis=Analysis(started_at_s=NOW_S - gateway.since_s))
    async with serving(gateway.answer) as url, aiohttp.ClientSession() as session:
        asked = MetricChecks(Sources(session, client, Caches(client, ""), metrics_server=url, timeout_s=PATIENCE_S))
        return await asked.check(made, state, made.analysis.metrics[0], NOW_S)


@pytest.mark.parametrize("metric", ["request-success-rate", "request-duration"])
async def test_one_request_a_second_comes_to_a_hundred_though_the_window_has_sixty(metric: str) -> None:
    few = await judged(Gateway(every_s=1, since_s=90), metric, minRequests=100)
    assert (few.verdict, few.text) == (Verdict.NO_DATA, f"too few requests for metric {metric}: 90 < minRequests 100")
    enough = await judged(Gateway(every_s=1, since_s=101), metric, minRequests=100)
    assert enough.verdict is Verdict.PASS


async def test_the_window_grows_no_further_than_it_takes() -> None:
    """What was long ago must not hide what is wrong now."""
    bad_for_6_min = Gateway(every_s=3, since_s=86_000, code=lambda age_s: "500" if age_s < 360 else "200")
    result = await judged(bad_for_6_min, minRequests=100)
    assert result.verdict is Verdict.FAIL
    assert result.value is not None
    assert result.value < 10, "percent; of the whole run it is more than 99"
    assert bad_for_6_min.windows == [60, 375]


async def test_it_reaches_back_to_the_first_traffic_and_no_further() -> None:
    slow = Gateway(every_s=60, since_s=900)
    result = await judged(slow, minRequests=20)
    assert (result.verdict, result.text) == (
        Verdict.NO_DATA,
        "too few requests for metric request-success-rate: 15 < minRequests 20",
    )
    assert slow.windows == [60, 900]


async def test_where_they_came_unevenly_the_whole_time_is_asked_for() -> None:
    uneven = Gateway(every_s=1, since_s=900, until_s=55)
    assert (await judged(uneven, minRequests=100)).verdict is Verdict.PASS
    assert uneven.windows == [60, 900]
    paused = Gateway(every_s=1, since_s=900, gap=range(61, 600))
    assert (await judged(paused, minRequests=100)).verdict is Verdict.PASS
    assert paused.windows == [60, 125, 900]


async def test_no_request_within_the_window_is_no_data_whatever_was_before() -> None:
    silent = Gateway(every_s=1, since_s=900, until_s=70)
    result = await judged(silent, minRequests=100)
    assert (result.verdict, result.text) == (
        Verdict.NO_DATA,
        "no values found for gloo metric request-success-rate probably podinfo.test is not receiving traffic",
    )
    assert silent.windows == [60]


@pytest.mark.parametrize("fields", [{}, {"minRequests": 0}, {"minRequests": 60}])
async def test_a_window_with_enough_requests_is_asked_for_once(fields: dict[str, Any]) -> None:
    gateway = Gateway(every_s=1, since_s=900)
    assert (await judged(gateway, **fields)).verdict is Verdict.PASS
    assert gateway.windows == [60]


async def test_it_holds_only_by_what_it_asks_for_and_on_no_data_says_what_that_means() -> None:
    assert (await judged(Gateway(every_s=1, since_s=50), minRequests=100, onNoData="fail")).verdict is Verdict.FAIL
    assert (await judged(Gateway(every_s=1, since_s=50), minRequests=100, onNoData="pass")).verdict is Verdict.PASS
