"""How a new revision is tried: pace, weights or iterations, checks and hooks."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from canary.api.bounds import MOST_DRAIN_S, MOST_STEP_S, MOST_UNOBSERVED_DEADLINE_S
from canary.api.duration import parse_duration_s
from canary.api.hooks import CanaryAlert, CanaryWebhook
from canary.api.matching import RequestMatch
from canary.api.metrics import CanaryMetric
from canary.api.scalars import Count, Duration, Interval, OpenObject, Switch, Whole, refusal
from canary.api.schema import ApiModel

DEFAULT_COOKIE_MAX_AGE_S = 86_400


class SessionAffinity(ApiModel):
    """The cookie that keeps a user on the side that served the first request."""

    cookie_name: str
    primary_cookie_name: str = ""
    domain: str = ""
    path: str = ""
    max_age: Whole = DEFAULT_COOKIE_MAX_AGE_S
    same_site: Literal["", "Strict", "Lax", "None"] = ""
    http_only: Switch = False
    secure: Switch = False
    partitioned: Switch = False

    @property
    def max_age_s(self) -> int:
        """Return the age in seconds; 0 is the default, as in Flagger."""
        return self.max_age or DEFAULT_COOKIE_MAX_AGE_S


def _pause(value: Any) -> Any:
    if not isinstance(value, dict):
        raise refusal("{}, a pause until somebody resumes the run")
    return value


class CanaryStep(ApiModel):
    """One of `analysis.steps`: a share of the traffic in percent, for a time or until somebody resumes the run.

    With neither it lasts for one interval, as the steps of `stepWeights` do.
    """

    weight: Whole
    duration: Duration = ""
    pause: Annotated[OpenObject | None, BeforeValidator(_pause)] = None

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: object) -> object:
        """Keep the null that YAML reads from `pause:`: whoever writes that means a pause, and must not go without."""
        if isinstance(value, dict):
            return {key: item for key, item in value.items() if item is not None or key == "pause"}
        return value

    @property
    def duration_s(self) -> float:
        """Return how long the step lasts at least, in seconds, within its bound; 0 where nothing is said."""
        return _seconds(self.duration)

    @property
    def is_pause(self) -> bool:
        """Return whether the step lasts until somebody resumes the run."""
        return self.pause is not None


class CanaryAnalysis(ApiModel):
    """Weights are percent of the traffic, thresholds of readiness percent of the pods; numbers as written."""

    interval: Interval = ""
    threshold: Whole = 0

    step_weight: Whole = 0
    step_weights: tuple[Whole, ...] = ()
    max_weight: Whole = 0
    steps: tuple[CanaryStep, ...] = ()
    bake: Duration = ""
    step_weight_promotion: Whole = 0
    iterations: Count = 0
    match: tuple[RequestMatch, ...] = ()
    mirror: Switch = False
    mirror_weight: Whole = 0
    session_affinity: SessionAffinity | None = None

    primary_ready_threshold: Whole | None = None
    canary_ready_threshold: Whole | None = None
    unobserved_deadline_seconds: Count = 600
    drain_seconds: Count = 30

    metrics: tuple[CanaryMetric, ...] = ()
    webhooks: tuple[CanaryWebhook, ...] = ()
    alerts: tuple[CanaryAlert, ...] = ()

    @property
    def unobserved_deadline_s(self) -> float:
        """Return how long a canary may be exposed without a decisive sample, within its bound."""
        return float(min(self.unobserved_deadline_seconds, MOST_UNOBSERVED_DEADLINE_S))

    @property
    def drain_s(self) -> float:
        """Return how long a side is drained at the most, within its bound."""
        return float(min(self.drain_seconds, MOST_DRAIN_S))

    @property
    def bake_s(self) -> float:
        """Return for how long the last split is checked before the promotion, in seconds, within its bound."""
        return _seconds(self.bake)


def _seconds(duration: str) -> float:
    return min(parse_duration_s(duration), float(MOST_STEP_S)) if duration else 0.0
