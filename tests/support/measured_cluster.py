"""A simulated cluster whose checks are the metrics of its spec: what is measured is given, and judged as always."""

from dataclasses import dataclass, field
from typing import Any, Final

from canary.run.judge import CheckResult, Sample, Verdict, judge
from canary.run.observation import Question
from canary.run.state import State
from tests.support.canaries import canary
from tests.support.simulated_cluster import SimulatedCluster

RATE: Final = "request-success-rate"
DURATION: Final = "request-duration"
NOON_S: Final = 1_796_050_800.0
"""2026-11-30T15:00:00Z."""

GOOD: Final = {RATE: Sample(99.5), DURATION: Sample(120.0), "orders": Sample(12.0)}


@dataclass
class Measured(SimulatedCluster):
    """Judges the spec's own metrics by `values`, those that it does not name by what passes."""

    values: dict[str, Sample] = field(default_factory=dict)

    def _answers(self, state: State, question: Question) -> tuple[CheckResult, ...]:
        if question is not Question.CHECKS or self.canary.analysis is None:
            return super()._answers(state, question)
        self.passed.add(state.revisions.analysed)
        hook = CheckResult(RATE, Verdict.PASS, "a hook of the same name")
        return hook, *(
            judge(metric, (GOOD | self.values)[metric.name], "podinfo.test") for metric in self.canary.analysis.metrics
        )


def under_way(analysis: dict[str, Any] | None = None, revision: str = "rev-2") -> Measured:
    """Return a cluster whose run of a revision has its first weight; its bootstrap began at 15:00:00."""
    cluster = Measured(canary({"webhooks": []} | (analysis or {})), now_s=NOON_S)
    cluster.run(30)
    cluster.set_image(revision)
    cluster.run(60, until=lambda: cluster.state.traffic.canary_percent > 0)
    return cluster


def checks(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.status["serin"].get("checks", [])
    return found
