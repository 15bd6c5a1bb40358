"""The alerts of manifests/monitoring-operator: each is a query, and of series that our own programs export."""

import re
from typing import Any

import promql_parser
import pytest
import yaml

from agent.series.agent_metrics import AgentMetrics
from canary.run.phase import Phase
from canary.run.state import State
from canary.run.traffic import Traffic
from tests.support.cluster import REPOSITORY
from tests.support.exposition import exposed, stored
from tests.support.reference.source import ready_reasons
from webhook.metrics import WebhookMetrics

FOLDER = REPOSITORY / "manifests" / "monitoring-operator"
[GROUP] = yaml.safe_load((FOLDER / "prometheus-rule.yaml").read_text())["spec"]["groups"]
RULES = {rule["alert"]: rule for rule in GROUP["rules"]}
SELECTED = re.compile(r"\b((?:serin|flagger)_\w+)(?:\{([^}]*)\})?")


def series() -> dict[str, set[str]]:
    """Return what the agent and the webhook export, with the labels of each."""
    agent = AgentMetrics("1.2.3", canaries=lambda: [stored(State(phase=Phase.PROGRESSING, traffic=Traffic(20)))])
    body, _ = WebhookMetrics("1.2.3", lambda: 60.0).render([], 1)
    lines = [*exposed(agent), *(line.rpartition(" ")[0] for line in body.decode().splitlines() if line[:1] != "#")]
    found: dict[str, set[str]] = {}
    for line in lines:
        name, _, labels = line.partition("{")
        found.setdefault(name, set()).update(re.findall(r"(\w+)=", labels))
    return found


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_asks_for_series_that_there_are(alert: str) -> None:
    expression, known = RULES[alert]["expr"], series()
    promql_parser.parse(expression)
    selected = SELECTED.findall(expression)
    assert selected
    for name, labels in selected:
        assert name in known, name
        assert set(re.findall(r"(\w+)(?:=|!)", labels)) <= known[name]


def test_what_somebody_has_to_be_told_of_is_told_with_what_to_do() -> None:
    assert set(RULES) == {
        "SerinAgentWithoutLeader",
        "SerinCanaryNotReady",
        "SerinCannotMeasure",
        "SerinCertificateEnds",
        "SerinRolledBack",
        "SerinRunStuck",
        "SerinStandsStillForFlagger",
    }
    for rule in RULES.values():
        assert rule["annotations"].keys() == {"summary", "action"}
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_every_reason_is_of_one_alert_or_meant_by_who_set_it() -> None:
    """A canary that is not ready is told of once: other alerts' reasons are left out, and who suspended it knows."""
    [out] = re.findall(r'reason!~"([^"]*)"', RULES["SerinCanaryNotReady"]["expr"])
    others = [RULES[name]["expr"] for name in ("SerinCannotMeasure", "SerinStandsStillForFlagger")]
    told = [
        reason for expr in others for found in re.findall(r'reason=~?"([^"]*)"', expr) for reason in found.split("|")
    ]
    assert sorted(out.split("|")) == sorted([*told, "Suspended"])
    for pattern in out.split("|"):
        assert [reason for reason in ready_reasons() if re.fullmatch(pattern, reason)], f"no such reason: {pattern}"


def test_monitors_scrape_ports_that_the_pods_have() -> None:
    monitors: list[Any] = list(yaml.safe_load_all((FOLDER / "pod-monitors.yaml").read_text()))
    for monitor in monitors:
        folder = monitor["metadata"]["name"].removeprefix("serin-")
        deployment, *_ = yaml.safe_load_all((REPOSITORY / "manifests" / folder / "deployment.yaml").read_text())
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        ports = {port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports


def test_neither_is_in_what_is_installed_by_default() -> None:
    for name in ("default", "without-prometheus"):
        assert "monitoring-operator" not in (REPOSITORY / "manifests" / name / "kustomization.yaml").read_text()
