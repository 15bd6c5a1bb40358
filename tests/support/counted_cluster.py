"""A simulated cluster whose gateway counts requests, and whose checks are judged by what it counted."""

from dataclasses import dataclass, field
from typing import Any, Final

from canary.api.names import Names, Side
from canary.judgement.series import AnswersByCode, Clusters, RawSeries
from canary.judgement.spec import evidence_name, keeps_threshold, plan_of
from canary.run.decision import Decision
from canary.run.judge import CheckResult, Counts, Sample, Verdict, counted, judge
from canary.run.messages import Alert
from canary.run.observation import Question
from canary.run.state import State
from tests.support.canaries import canary
from tests.support.measured_cluster import NOON_S, RATE
from tests.support.simulated_cluster import SimulatedCluster

SCRAPED_EACH_S: Final = 5


@dataclass
class Counted(SimulatedCluster):
    """Sends `per_second` requests in all, split as the state says; of each side a share fails, evenly.

    `is_scraped` False is a Prometheus that gives no answer. `window` is the success rate of the threshold's own query.
    `lacks_history`: what it has of the time before is too long for an answer.
    """

    per_second: float = 100.0
    failing: dict[Side, float] = field(default_factory=dict)
    is_scraped: bool = True
    window: float = 99.5
    lacks_history: bool = False
    scraped_each_s: int = SCRAPED_EACH_S
    counted_until_s: float | None = None
    counters: dict[tuple[Side, str], float] = field(default_factory=dict)
    scrapes: list[tuple[float, dict[tuple[Side, str], float]]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def tick(self) -> Decision:
        """See `SimulatedCluster`; what is only remarked is noted, too."""
        decision = super().tick()
        self.remarks += [remark.text for remark in decision.remarks]
        return decision

    def alerts(self) -> list[Alert]:
        """Return what chats were sent."""
        return [message.alert for message in self.told if message.alert is not None]

    def _answers(self, state: State, question: Question) -> tuple[CheckResult, ...]:
        if question is not Question.CHECKS or self.canary.analysis is None:
            return super()._answers(state, question)
        self.passed.add(state.revisions.analysed)
        self._serve(state.traffic.canary_percent / 100, state.traffic.mirror_percent / 100)
        results = []
        for metric in self.canary.analysis.metrics:
            sample = Sample(self.window) if self.is_scraped else Sample(error="503")
            result = judge(metric, sample, "podinfo.test")
            plan = plan_of(self.canary, metric, "5xx")
            if plan is not None and metric.evidence is not None and self.is_scraped:
                name, by_code = evidence_name(self.canary, metric), AnswersByCode(self._clusters())
                counts = Counts(name, plan, by_code, self._raw(), lacks_history=self.lacks_history)
                keeps = keeps_threshold(metric, metric.evidence)
                result = counted(metric, result, counts, "podinfo.test", keeps_threshold=keeps)
            results.append(result)
        return tuple(results)

    def _serve(self, share: float, mirrored: float) -> None:
        """Count what came since the last scrape, at the present split or copied to the canary, scrape by scrape."""
        at_s = self.now_s - 60 * SCRAPED_EACH_S if self.counted_until_s is None else self.counted_until_s
        while at_s + SCRAPED_EACH_S <= self.now_s:
            at_s += SCRAPED_EACH_S
            for side, part in ((Side.CANARY, share or mirrored), (Side.PRIMARY, 1 - share)):
                requests = self.per_second * SCRAPED_EACH_S * part
                failed = requests * self.failing.get(side, 0.0)
                for code, number in (("200", requests - failed), ("503", failed)):
                    self.counters[side, code] = self.counters.get((side, code), 0.0) + number
            if not self.scrapes or at_s - self.scrapes[-1][0] >= self.scraped_each_s:
                self.scrapes.append((at_s, dict(self.counters)))
        self.counted_until_s = at_s

    def _clusters(self) -> Clusters:
        names = Names.of(self.canary)
        return Clusters(names.envoy_clusters(Side.CANARY), names.envoy_clusters(Side.PRIMARY))

    def _raw(self) -> tuple[RawSeries, ...]:
        clusters = self._clusters()
        name = {Side.CANARY: clusters.canary[0], Side.PRIMARY: clusters.primary[0]}  # type: ignore[index]
        return tuple(
            RawSeries(
                {"envoy_cluster_name": name[side], "envoy_response_code": code, "pod": "gateway-proxy-1"},
                tuple((at_s, values[side, code]) for at_s, values in self.scrapes[-400:] if (side, code) in values),
            )
            for side, code in self.counters
        )


def under_way(evidence: dict[str, Any], analysis: dict[str, Any] | None = None, **more: Any) -> Counted:
    """Return a cluster whose run has its first weight, and whose success rate of 99 % is judged by evidence."""
    metric = {"name": RATE, "thresholdRange": {"min": 99}, "evidence": evidence}
    made = canary({"webhooks": [], "metrics": [metric]} | (analysis or {}))
    cluster = Counted(made, now_s=NOON_S, **more)
    cluster.run(30)
    cluster.set_image("rev-2")
    cluster.run(60, until=lambda: cluster.state.traffic.canary_percent > 0)
    return cluster


def verdicts(cluster: SimulatedCluster) -> list[Verdict]:
    return [sample.verdict for check in cluster.state.analysis.kept for sample in check.samples]
