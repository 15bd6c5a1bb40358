"""Who decides in a release: evidence, by the product's reading and weighing, or the threshold rule, by its judge."""

from typing import Final, Protocol

import orjson

from benchmarks.judgement.envoy import CLUSTERS
from benchmarks.judgement.prometheus import Prometheus
from canary.api.metrics import CanaryMetric
from canary.api.names import Side
from canary.judgement.finding import Answer
from canary.judgement.observe import observe, wants_longer_history
from canary.judgement.plan import Plan
from canary.judgement.scrapes import LONG_HISTORY_S, Memory, Reading, Times, read_counts
from canary.judgement.series import AnswersByCode, Clusters, RawSeries
from canary.judgement.state import EvidenceState
from canary.judgement.stored import read_evidence, read_memory, write_evidence, write_memory
from canary.run.judge import Sample, Verdict, judge
from render.builtin_metrics import success_counts

_WINDOW_S: Final = 120.0
_FAILED_CHECKS: Final = 5
_LOOKS_OF_AN_AGENT: Final = 10
_COUNTED: Final = AnswersByCode(Clusters((CLUSTERS[Side.CANARY],), (CLUSTERS[Side.PRIMARY],)))


class Judge(Protocol):
    """Looks at a release each tick."""

    def look(self, prometheus: Prometheus, now_s: float, next_percent: int) -> Answer:
        """Return what is known now; well means that the next step may be taken."""


class ByEvidence:
    """The product's. At times the agent is another one, which knows what the status keeps."""

    def __init__(self, plan: Plan, since_s: float, tick_s: float) -> None:
        self._plan, self._since_s, self._tick_s = plan, since_s, tick_s
        self._memory = Memory()
        self._looks = 0
        self.state: EvidenceState | None = None

    def look(self, prometheus: Prometheus, now_s: float, next_percent: int) -> Answer:
        """Read the counters, and weigh what they say."""
        answer = prometheus.raw(self._memory.window_s(now_s, _WINDOW_S), now_s)
        reading = self._read(answer)
        if not self._looks and wants_longer_history(self._plan, self.state, reading.deltas):
            reading = self._read(prometheus.raw(LONG_HISTORY_S, now_s))
        self.state, finding = observe(self._plan, self.state, reading.deltas, next_percent, now_s)
        self._memory = reading.memory
        self._looks += 1
        if self._looks % _LOOKS_OF_AN_AGENT == 0:
            self._memory = read_memory(orjson.loads(orjson.dumps(write_memory(self._memory))))
            self.state = read_evidence(orjson.loads(orjson.dumps(write_evidence(self.state))))
        return finding.answer

    def _read(self, answer: list[RawSeries]) -> Reading:
        return read_counts(self._memory, answer, _COUNTED, Times(self._since_s), tick_s=self._tick_s)


class ByThreshold:
    """The rule of Flagger: a window of a minute, and `threshold` failed checks of a run roll it back."""

    def __init__(self, least_percent: float, since_s: float) -> None:
        self._metric = CanaryMetric.model_validate(
            {"name": "request-success-rate", "thresholdRange": {"min": least_percent}, "interval": "1m"}
        )
        self._since_s = since_s
        self._failed = 0

    def look(self, prometheus: Prometheus, now_s: float, next_percent: int) -> Answer:  # noqa: ARG002
        """Judge the last minute, but never further back than the first traffic."""
        window_s = min(self._metric.interval_s, now_s - self._since_s)
        counts = success_counts(prometheus.increase_by_code(CLUSTERS[Side.CANARY], window_s, now_s))
        result = judge(self._metric, Sample(value=counts.rate_percent, requests=counts.total), "podinfo.test")
        if result.verdict is Verdict.PASS:
            return Answer.WELL
        self._failed += result.verdict is Verdict.FAIL
        return Answer.HARM if self._failed >= _FAILED_CHECKS else Answer.UNDECIDED
