"""The alerts for the Prometheus operator, played by promtool: each is seen to fire with its words, and to be silent.

The cases are in tests/charts/alerts, as promtool reads them: literal series, and which alerts fire when.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.paths import bin_dir
from tests.support.charts import MANIFESTS
from tests.support.cluster import REPOSITORY

RULE = MANIFESTS / "monitoring-operator" / "prometheus-rule.yaml"
FOLDER = REPOSITORY / "tests" / "charts" / "alerts"
CASES = sorted(FOLDER.glob("*.yaml"))


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = bin_dir() / "promtool"
    assert program.exists(), f"{program} is missing: python -m sandbox build promtool"
    return subprocess.run([program, *arguments], check=False, capture_output=True, text=True)


def play(folder: Path, groups: str, cases: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    """Play the cases with these rules."""
    (folder / "rules.yaml").write_text(groups)
    for case in cases:
        (folder / case.name).write_text(case.read_text())
    return promtool("test", "rules", *(folder / case.name for case in cases))


@pytest.fixture
def groups() -> str:
    """The rules as Prometheus itself reads them: what stands below `spec`."""
    return yaml.safe_dump(yaml.safe_load(RULE.read_text())["spec"])


def test_each_alert_fires_when_it_should_and_in_its_words(groups: str, tmp_path: Path) -> None:
    done = play(tmp_path, groups, CASES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_says_something_else_fails_its_case(groups: str, tmp_path: Path) -> None:
    assert "for: 2m" in groups
    done = play(tmp_path, groups.replace("for: 2m", "for: 3m"), [FOLDER / "agent.yaml"])
    assert done.returncode == 1
    assert "alertname: SerinAgentWithoutLeader, time: 13m" in done.stdout + done.stderr


def test_each_alert_is_seen_to_fire_and_to_be_silent(groups: str) -> None:
    seen: dict[str, set[bool]] = {rule["alert"]: set() for rule in yaml.safe_load(groups)["groups"][0]["rules"]}
    for case in CASES:
        tests: list[dict[str, Any]] = yaml.safe_load(case.read_text())["tests"]
        for one in (one for test in tests for one in test["alert_rule_test"]):
            seen[one["alertname"]].add(bool(one["exp_alerts"]))
    assert {alert for alert, kinds in seen.items() if kinds != {True, False}} == set()


def test_prometheus_has_nothing_to_say_against_the_rules(groups: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(groups)
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", tmp_path / "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
