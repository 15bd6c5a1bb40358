"""What one check is judged by: limits, errors, and what follows from no answer. Numbers; the spec is read elsewhere."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Against: TypeAlias = Literal["limit", "primary", "both"]
Undecided: TypeAlias = Literal["hold", "promote", "rollback"]

_MOST_ERROR: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A share of failed requests: `limit` is still good, `unacceptable` must not be promoted.

    `failing` is what the requests do, for texts: "fails", or "is over 500 ms in".
    """

    limit: float
    unacceptable: float
    failing: str = "fails"

    def __post_init__(self) -> None:
        if not 0 < self.limit < self.unacceptable < 1:
            raise ValueError(
                f"a limit of {self.limit:g} and an unacceptable share of {self.unacceptable:g}; "
                "allowed: 0 < limit < unacceptable < 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a check is judged. `counted` names what is counted: evidence of anything else is not taken over.

    Against the limit, the primary, or both. `alpha` bounds how often a good release is rolled back, and is shared by
    the `checks` of a canary; `beta` how often one that is unacceptable is promoted. With `ratio` times the primary's
    failures it is unacceptable too. `burst`: how many failures one cause makes, None to learn it from the primary.
    Nothing is decided in the first `warm_up_s`; `deadline_s` later `undecided` says what follows, None for no deadline.
    """

    counted: str
    bounds: tuple[Bound, ...]
    against: Against = "limit"
    alpha: float = 0.01
    beta: float = 0.05
    ratio: float = 2.0
    burst: float | None = None
    deadline_s: float | None = 3_600.0
    undecided: Undecided = "hold"
    warm_up_s: float = 0.0
    checks: int = 1

    def __post_init__(self) -> None:
        if not self.bounds:
            raise ValueError("bounds: found none; allowed: one or more")
        for name, error in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0 < error < _MOST_ERROR:
                raise ValueError(f"{name}: found {error:g}; allowed: between 0 and {_MOST_ERROR:g}")
        if not self.ratio > 1:
            raise ValueError(f"ratio: found {self.ratio:g}; allowed: more than 1")
        if self.burst is not None and not self.burst >= 1:
            raise ValueError(f"burst: found {self.burst:g}; allowed: 1 or more")
        if self.checks < 1:
            raise ValueError(f"checks: found {self.checks}; allowed: 1 or more")

    @property
    def harm_at(self) -> float:
        """Return the e-value at which it is rolled back: of M checks each has alpha / M (Bonferroni)."""
        return self.checks / self.alpha

    @property
    def well_at(self) -> float:
        """Return the e-value at which it may advance. No correction: all checks have to be well for that."""
        return 1 / self.beta


def bound_of_success(least_percent: float, unacceptable: float | None = None) -> Bound:
    """Return the bound of a success rate of `least_percent` or more.

    Raises:
        ValueError: the rate is 0 or 100: no failure, or each, would be evidence at once.
    """
    limit = round(1 - least_percent / 100, 12)
    return Bound(limit=limit, unacceptable=unacceptable or default_unacceptable(limit))


def failing_over(limit_ms: float) -> str:
    """Return what requests do that take longer than a limit, for texts."""
    return f"is over {limit_ms:g} ms in"


def default_unacceptable(limit: float) -> float:
    """Return twice the limit, and where that is no probability the middle between the limit and 1."""
    return 2 * limit if 2 * limit < 1 else (1 + limit) / 2
