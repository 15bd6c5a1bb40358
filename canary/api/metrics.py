"""The checks of an analysis: a question to a metrics provider and the range of good answers."""

from typing import Literal

from pydantic import Field

from canary.api.bounds import MOST_CONSECUTIVE_FAILURES
from canary.api.duration import parse_duration_s, window_in_gos_words
from canary.api.evidence import Evidence
from canary.api.metric_template import GRAPHITE, MetricProviderType
from canary.api.references import NamespacedReference
from canary.api.scalars import Count, Number, StringMap, Switch, Whole, Window
from canary.api.schema import ApiModel

SUCCESS_RATE = "request-success-rate"
REQUEST_DURATION = "request-duration"
BUILTIN_METRICS = (SUCCESS_RATE, REQUEST_DURATION)
DEFAULT_METRIC_INTERVAL = "1m"


class ThresholdRange(ApiModel):
    """Bounds, both inclusive, in the metric's own unit (percent and milliseconds for the built-in ones)."""

    min: Number | None = None
    max: Number | None = None


class CanaryMetric(ApiModel):
    name: str
    interval: Window = DEFAULT_METRIC_INTERVAL
    threshold: Number = 0
    threshold_range: ThresholdRange | None = None
    query: str = ""
    template_ref: NamespacedReference | None = None
    template_variables: StringMap = Field(default_factory=dict)
    on_no_data: Literal["hold", "fail", "pass"] = "hold"
    min_requests: Count | None = None
    dry_run: Switch = False
    consecutive_failures: Whole | None = None
    evidence: Evidence | None = None

    @property
    def interval_effective(self) -> str:
        """Return the window of the query in Go's words, as most languages of queries have them."""
        return window_in_gos_words(self.interval or DEFAULT_METRIC_INTERVAL)

    @property
    def interval_s(self) -> float:
        return parse_duration_s(self.interval_effective)

    def interval_for(self, provider_type: MetricProviderType) -> str:
        """Return what `{{ interval }}` is in a query of a type. For Graphite `m` is no unit: it gets seconds."""
        return f"{int(self.interval_s)}s" if provider_type == GRAPHITE else self.interval_effective

    @property
    def failures_needed(self) -> int:
        """Return how often in a row it must fail before that counts, within its bounds."""
        return min(max(self.consecutive_failures or 1, 1), MOST_CONSECUTIVE_FAILURES)

    @property
    def is_builtin(self) -> bool:
        """Return whether the agent knows the query by itself; a template or a query of the same name goes before."""
        return self.name in BUILTIN_METRICS and self.template_ref is None and not self.query
