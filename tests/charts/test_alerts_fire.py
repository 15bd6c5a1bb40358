"""The alerts for the Prometheus operator, asked of a real Prometheus that scrapes our own pages: silent, and not."""

from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from agent.series.agent_metrics import AgentMetrics
from canary.rules.shape import parse_canary
from canary.run.phase import Phase
from canary.run.state import Blocker, State
from canary.run.traffic import Traffic
from tests.support.charts import MANIFESTS
from tests.support.eventually import eventually
from tests.support.exposition import stored
from tests.support.prometheus import prometheus_of
from webhook.metrics import WebhookMetrics

TEXT = (MANIFESTS / "monitoring-operator" / "prometheus-rule.yaml").read_text()
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in yaml.safe_load(TEXT)["spec"]["groups"][0]["rules"]}
DAY_S = 24 * 3600.0

READY, RUNNING, FAILED = (
    State(phase=phase, traffic=Traffic(20)) for phase in (Phase.SUCCEEDED, Phase.PROGRESSING, Phase.FAILED)
)
TROUBLES = {
    "lost": "TargetNotFound",
    "blind": "ChecksUndecided",
    "flaggers": "FlaggerRunning",
    "paused": "Suspended",
    "stuck": "",
    "failed": "",
}


class Programs:
    """An agent and a webhook, whose pages are scraped as one."""

    def __init__(self) -> None:
        self.leads, self.certificate_left_s = True, 60 * DAY_S
        self.states = dict.fromkeys(TROUBLES, READY)
        self.agent = AgentMetrics("0", lambda: self.leads, self.stored)
        self.webhook = WebhookMetrics("0", lambda: self.certificate_left_s)

    def stored(self) -> list[dict[str, Any]]:
        return [stored(state, name) for name, state in self.states.items()]

    def page(self) -> str:
        pages = (self.agent.render([])[0], self.webhook.render([], 1)[0])
        return "".join(page.decode() for page in pages)

    def get_into_trouble(self) -> None:
        for name, reason in TROUBLES.items():
            self.states[name] = replace(READY, blocker=Blocker(reason, "why") if reason else None)
        self.states |= {"stuck": RUNNING, "failed": FAILED}
        self.agent.canaries.count_end(parse_canary(stored(None, "failed")), FAILED)
        self.certificate_left_s = 10 * DAY_S


async def firing(session: aiohttp.ClientSession, server: str) -> dict[str, set[str]]:
    """Return the alerts whose expressions hold, each with the canaries that it names."""
    found: dict[str, set[str]] = {}
    for alert, expression in EXPRESSIONS.items():
        async with session.get(f"{server}/api/v1/query", params={"query": expression}) as response:
            if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
                return {"Prometheus has not started yet": set()}
            answer: dict[str, Any] = await response.json()
        assert answer["status"] == "success", answer
        if answer["data"]["result"]:
            found[alert] = {one["metric"].get("name", "") for one in answer["data"]["result"]}
    return found


async def test_each_alert_is_of_what_it_says(tmp_path: Path) -> None:
    programs = Programs()
    async with prometheus_of(programs.page, tmp_path) as server, aiohttp.ClientSession() as session:
        # Before the first scrape nobody leads.
        await eventually(lambda: firing(session, server), lambda seen: seen == {})
        programs.get_into_trouble()
        in_trouble = {
            "SerinCanaryNotReady": {"lost"},
            "SerinCannotMeasure": {"blind"},
            "SerinStandsStillForFlagger": {""},
            "SerinRunStuck": {"stuck"},
            "SerinRolledBack": {"failed"},
            "SerinCertificateEnds": {""},
        }
        await eventually(lambda: firing(session, server), lambda seen: seen == in_trouble)
        # What it saw before is not believed of an agent that leads no more.
        programs.leads = False
        await eventually(
            lambda: firing(session, server),
            lambda seen: seen.keys() == {"SerinAgentWithoutLeader", "SerinRolledBack", "SerinCertificateEnds"},
        )
