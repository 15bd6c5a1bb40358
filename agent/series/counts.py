"""What this process counted of one canary. It begins at 0 with each process, as Prometheus expects of counters."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from aioprometheus.collectors import Histogram as HistogramCollector
from aioprometheus.histogram import Histogram

from canary.api.metrics import CanaryMetric
from canary.run.judge import CheckResult, Verdict


class End(NamedTuple):
    """How a run ended; `strategy` is Flagger's word for its strategy."""

    is_failure: bool
    strategy: str
    is_skipped: bool


class Counts:
    """The counts of one canary, of one `uid`, under one target's name: another one's begin again."""

    def __init__(self, uid: str, target: str) -> None:
        self._whose: Final = (uid, target)
        self.ends = Counter[End]()
        self.verdicts = Counter[tuple[str, Verdict]]()
        """By the metric's name."""
        self.durations: Histogram | None = None
        self.changes = 0
        """How often something was counted: what was rendered of them holds until the next time."""

    def is_of(self, uid: str, target: str) -> bool:
        """Return whether they are of this canary, with this target."""
        return self._whose == (uid, target)

    def add_duration(self, seconds: float) -> None:
        """Count a tick's checks, which took so long."""
        if self.durations is None:
            self.durations = Histogram(*HistogramCollector.DEFAULT_BUCKETS)
        self.durations.observe(seconds)
        self.changes += 1

    def add_end(self, end: End) -> None:
        """Count a run that ended."""
        self.ends[end] += 1
        self.changes += 1

    def add_verdicts(self, metrics: Sequence[CanaryMetric], results: Sequence[CheckResult]) -> None:
        """Count what the metrics came to; `results` has those of hooks before theirs. Of gone metrics nothing stays."""
        self.changes += 1
        names = {metric.name for metric in metrics}
        for key in [key for key in self.verdicts if key[0] not in names]:
            del self.verdicts[key]
        for result in results[-len(metrics) :] if metrics else ():
            if result.name in names:
                self.verdicts[result.name, result.verdict] += 1
