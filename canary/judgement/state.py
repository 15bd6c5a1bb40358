"""What a test remembers from tick to tick: some forty numbers, which the status keeps.

Nothing in it depends on the limits, alpha, beta or the burst: an edited plan is held to all that was counted before.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from canary.judgement.counts import NO_FAILURES, Failures
from canary.judgement.dispersion import Learned
from canary.judgement.evalues import NO_GAINS, NO_LOSSES


class Aside(NamedTuple):
    """The canary's requests of looks at which the primary broke the limit by itself, and those of them that failed.

    A limit says nothing then of the revision. They are compared with the primary's as all others.
    """

    requests: float = 0.0
    surely: float = 0.0
    perhaps: float = 0.0


NOTHING_ASIDE: Final = Aside()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """What a bound counted in the present step alone, as `BoundState` has it of all steps."""

    canary: Failures = NO_FAILURES
    aside: Aside = NOTHING_ASIDE
    alone: tuple[float, float] = (0.0, 0.0)
    worse: tuple[float, ...] = NO_LOSSES


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundState:
    """What was counted by one bound: failures of both sides, and how they compare.

    `worse` and `not_worse` are the sums of `canary/judgement/evalues.py`. `alone` has the canary's failures and its
    requests of looks at which the primary had none: they can be held to the limit only. `is_common`: both sides broke
    the limit when they were last seen.
    """

    canary: Failures = NO_FAILURES
    primary: Failures = NO_FAILURES
    aside: Aside = NOTHING_ASIDE
    is_common: bool = False
    alone: tuple[float, float] = (0.0, 0.0)
    worse: tuple[float, ...] = NO_LOSSES
    not_worse: tuple[float, ...] = NO_GAINS
    bursts: Learned = field(default_factory=Learned)
    step: StepState = StepState()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceState:
    """The test of one check. `counted` and `ratio` are those of its plan; it was looked at first at `began_at_s`.

    Steps are told from each other by the percent that comes next: `step_number` is the present one's, from 1 on, and
    `step_requests` are the canary's in it. Until `learned_until_s` the run before learned how the primary's failures
    come.
    """

    counted: str
    ratio: float
    bounds: tuple[BoundState, ...]
    began_at_s: float | None = None
    canary_requests: float = 0.0
    primary_requests: float = 0.0
    step_percent: float | None = None
    step_number: int = 1
    step_requests: float = 0.0
    learned_until_s: float | None = None

    def renewed(self, until_s: float | None) -> "EvidenceState":
        """Return the state of the next run's test: how the service's failures come stays known.

        `until_s` is when the newest scrape was that this run has read.
        """
        bounds = tuple([BoundState(bursts=Learned(bound.bursts.lasting)) for bound in self.bounds])
        until_s = self.learned_until_s if until_s is None else until_s
        return EvidenceState(counted=self.counted, ratio=self.ratio, bounds=bounds, learned_until_s=until_s)
