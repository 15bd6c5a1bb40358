"""Whether every panel of the shipped Grafana dashboard has something to show, asked of the cluster's Prometheus."""

import time
from collections import defaultdict

import aiohttp

from sandbox.demo.dashboard import Window, read_dashboard
from sandbox.demo.dashboard_answers import Answer, ask
from sandbox.paths import REPOSITORY

DASHBOARD = REPOSITORY / "manifests" / "grafana" / "serin-canaries.json"
_SCRAPE_INTERVAL_S = 1  # the sandbox's own, sandbox/serin/prometheus.yml
_CHOSEN = {"namespace": "test", "canary": "podinfo"}


async def ask_panels(prometheus_url: str, *, since_s: float) -> dict[str, tuple[Answer, ...]]:
    """Panel to the answers of its queries, over the time since `since_s` (seconds since the epoch).

    Raises:
        DashboardError: a variable without values, or a query that Prometheus refuses.
        aiohttp.ClientError, TimeoutError: Prometheus can't be asked.
    """
    dashboard = read_dashboard(DASHBOARD.read_text())
    window = Window(since_s, time.time(), _SCRAPE_INTERVAL_S)
    panels = defaultdict[str, list[Answer]](list)
    async with aiohttp.ClientSession() as session:
        for answer in await ask(session, prometheus_url, dashboard, window, _CHOSEN):
            panels[answer.query.panel].append(answer)
    return {panel: tuple(answers) for panel, answers in panels.items()}


def describe(answers: tuple[Answer, ...]) -> str:
    """`2 of 2 queries have data: 3 series, 412 values`."""
    with_data = sum(bool(answer.numbers()) for answer in answers)
    series = sum(len(answer.series) for answer in answers)
    values = sum(len(answer.numbers()) for answer in answers)
    return f"{with_data} of {len(answers)} queries have data: {series} series, {values} values"


def has_data(answers: tuple[Answer, ...]) -> bool:
    """Does every query of a panel show something?"""
    return all(answer.numbers() for answer in answers)
