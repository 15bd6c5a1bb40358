"""The Canary resource. Its status is not read here: that is the machine's state, not the user's wish."""

from typing import Literal

from canary.api.analysis import CanaryAnalysis
from canary.api.bounds import DEFAULT_PROGRESS_DEADLINE_S, MOST_INTERVAL_S, MOST_PROGRESS_DEADLINE_S, MOST_THRESHOLD
from canary.api.duration import parse_duration_s
from canary.api.names import DEFAULT_TARGET_KIND, apex_name
from canary.api.references import AutoscalerReference, LocalReference, NamespacedReference
from canary.api.scalars import Count, Switch
from canary.api.schema import ApiModel, ApiObject
from canary.api.service import CanaryService

Strategy = Literal["canary", "canary-by-match", "blue-green", "ab-testing"]
"""How the traffic is split; all but `canary-by-match` are Flagger's words."""

GLOO = "gloo"
TOTAL_WEIGHT_PERCENT = 100
DEFAULT_INTERVAL_S = 60.0
DEFAULT_THRESHOLD = 1
DEFAULT_READY_THRESHOLD_PERCENT = 100


class CanarySpec(ApiModel):
    provider: str = ""
    metrics_server: str = ""
    target_ref: LocalReference
    autoscaler_ref: AutoscalerReference | None = None
    upstream_ref: NamespacedReference | None = None
    ingress_ref: LocalReference | None = None
    route_ref: LocalReference | None = None
    service: CanaryService = CanaryService()
    analysis: CanaryAnalysis | None = None
    canary_analysis: CanaryAnalysis | None = None
    progress_deadline_seconds: Count = DEFAULT_PROGRESS_DEADLINE_S
    skip_analysis: Switch = False
    revert_on_deletion: Switch = False
    suspend: Switch = False


class Canary(ApiObject):
    """A Canary as its users write it.

    Derived values follow Flagger's pkg/apis/flagger/v1beta1/canary.go where nothing else is noted. Numbers that limit
    something are kept within their bounds: admission refuses others, but they may be stored already.
    """

    spec: CanarySpec

    @property
    def provider(self) -> str:
        """Return the provider, `gloo` when absent: there is no other provider to be configured for the whole agent."""
        return self.spec.provider or GLOO

    @property
    def apex_name(self) -> str:
        """Return the name of the service that clients call, and of the RouteTable."""
        return apex_name(self.spec.service.name, self.spec.target_ref.name)

    @property
    def target_kind(self) -> str:
        """Return the kind of the target, the default where none is written."""
        return self.spec.target_ref.kind or DEFAULT_TARGET_KIND

    @property
    def analysis(self) -> CanaryAnalysis | None:
        return self.spec.analysis if self.spec.analysis is not None else self.spec.canary_analysis

    @property
    def analysis_path(self) -> str:
        """Return where `analysis` was read, for messages: `spec.analysis` or the deprecated `spec.canaryAnalysis`."""
        is_deprecated = self.spec.analysis is None and self.spec.canary_analysis is not None
        return "spec.canaryAnalysis" if is_deprecated else "spec.analysis"

    @property
    def is_analysis_skipped(self) -> bool:
        return self.spec.skip_analysis or self.analysis is None

    @property
    def lacks_analysis(self) -> bool:
        """Return whether there is none, and nothing says that it is meant so."""
        return self.analysis is None and not self.spec.skip_analysis

    @property
    def strategy(self) -> Strategy:
        """Return the strategy that the analysis asks for: iterations go before weights, as in Flagger.

        Source: Flagger 1.44, `DeploymentStrategy`. It says `canary` of weights with match conditions, too.
        """
        analysis = self.analysis
        if analysis is None:
            return "canary"
        if analysis.iterations <= 0:
            return "canary-by-match" if analysis.match else "canary"
        return "ab-testing" if analysis.match else "blue-green"

    @property
    def flaggers_strategy(self) -> str:
        """Return Flagger's word for the strategy."""
        return "canary" if self.grows_by_weight else self.strategy

    @property
    def grows_by_weight(self) -> bool:
        """Return whether the steps of the analysis are weights, and not iterations."""
        return self.strategy in {"canary", "canary-by-match"}

    @property
    def is_for_matching(self) -> bool:
        """Return whether the weights belong to the requests that match, and everyone else to the primary."""
        return self.strategy in {"ab-testing", "canary-by-match"}

    @property
    def interval_s(self) -> float:
        """Return the seconds between two ticks of a run; 1 and more are as written, without Flagger's floor of 10."""
        if self.analysis is None or not self.analysis.interval:
            return DEFAULT_INTERVAL_S
        return min(parse_duration_s(self.analysis.interval), float(MOST_INTERVAL_S))

    @property
    def threshold(self) -> int:
        """Return the count of failed checks that rolls back."""
        if self.analysis is None or self.analysis.threshold <= 0:
            return DEFAULT_THRESHOLD
        return min(self.analysis.threshold, MOST_THRESHOLD)

    @property
    def progress_deadline_s(self) -> int:
        return min(self.spec.progress_deadline_seconds, MOST_PROGRESS_DEADLINE_S)

    @property
    def total_weight(self) -> int:
        return TOTAL_WEIGHT_PERCENT

    @property
    def max_weight(self) -> int:
        """Return the canary's last weight before promotion: of steps or stepWeights, else maxWeight, else all of it."""
        analysis = self.analysis
        if analysis is None:
            return self.total_weight
        if analysis.steps:
            return min(self.total_weight, analysis.steps[-1].weight)
        if weights := [weight for weight in analysis.step_weights if weight > 0]:
            return min(self.total_weight, weights[-1])
        return analysis.max_weight if analysis.max_weight > 0 else self.total_weight

    @property
    def primary_ready_threshold(self) -> int:
        """Return the percentage of the primary's pods that must be available."""
        written = self.analysis.primary_ready_threshold if self.analysis is not None else None
        return DEFAULT_READY_THRESHOLD_PERCENT if written is None else written

    @property
    def canary_ready_threshold(self) -> int:
        """Return the percentage of the canary's pods that must be available."""
        written = self.analysis.canary_ready_threshold if self.analysis is not None else None
        return DEFAULT_READY_THRESHOLD_PERCENT if written is None else written
