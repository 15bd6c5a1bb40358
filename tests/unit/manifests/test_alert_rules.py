"""The alerts of manifests/monitoring-operator: each is a query, and of series that our own programs export."""

import re
from typing import Any

import promql_parser
import pytest
import yaml

from tests.support.cluster import REPOSITORY
from tests.support.known_series import known_series
from tests.support.reference.source import ready_reasons

FOLDER = REPOSITORY / "manifests" / "monitoring-operator"
[GROUP] = yaml.safe_load((FOLDER / "prometheus-rule.yaml").read_text())["spec"]["groups"]
RULES = {rule["alert"]: rule for rule in GROUP["rules"]}
ENTRY = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
SELECTED = re.compile(r"\b((?:serin|flagger)_\w+)(?:\{([^}]*)\})?")


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_asks_for_series_that_there_are(alert: str) -> None:
    expression, known = RULES[alert]["expr"], known_series()
    promql_parser.parse(expression)
    selected = SELECTED.findall(expression)
    assert selected
    for name, labels in selected:
        assert name in known, name
        assert set(re.findall(r"(\w+)(?:=|!)", labels)) <= known[name]
    for labels in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.findall(r"\w+", labels)) <= set().union(*(known[name] for name, _ in selected))


def test_what_somebody_has_to_be_told_of_is_told_with_its_runbook() -> None:
    assert list(RULES) == [
        "SerinAgentWithoutLeader",
        "SerinCanaryNotReady",
        "SerinCannotMeasure",
        "SerinStandsStillForFlagger",
        "SerinRunStuck",
        "SerinRolledBack",
        "SerinProviderErrors",
        "SerinAlertsNotDelivered",
        "SerinHooksUnanswered",
        "SerinTicksLate",
        "SerinEventLoopLate",
        "SerinQueueGrows",
        "SerinApiServerErrors",
        "SerinApiServerSlow",
        "SerinWebhookGone",
        "SerinAdmissionFails",
        "SerinCertificateEnds",
    ]
    for alert, rule in RULES.items():
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["annotations"].keys() == {"summary", "description", "runbook"}
        assert rule["annotations"]["runbook"] == f"how-to/firing.md#{alert.lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_each_runbook_is_an_entry_that_shows_what_to_type() -> None:
    entries = dict(ENTRY.findall((REPOSITORY / "docs" / "how-to" / "firing.md").read_text()))
    assert list(entries) == list(RULES)
    for alert, text in entries.items():
        block = re.search(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        assert block, f"{alert}: no commands"
        assert re.match(r"(kubectl|serin|time kubectl) ", block[1]), alert


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
