"""What a check asks of a metric server: one number, or none; which server that is, and how it is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query that is filled in. `interval_s` is its window; moments are seconds since the epoch.

    `since_s` is the revision's first traffic: what a server has of before that is the run's before, and no answer.
    """

    text: str
    interval_s: float
    now_s: float
    since_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A server, as a MetricTemplate describes it.

    `name` is what errors call it. `is_known`: whoever reads them may also see what the server says, for it is of their
    own namespace. `secret` names the Secret that the credentials are from, as `Secret test/login`; empty without one,
    and for strangers. `whose`: in whose name it is asked, where that is not the template's but the agent's own.
    """

    name: str
    is_known: bool = True
    namespace: str = ""
    address: str = ""
    region: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str = ""
    whose: str = ""
    is_verified: bool = True
    timeout_s: float


class MetricServer(Protocol):
    """One server of one type."""

    async def value(self, asked: Question) -> float | None:
        """Return the number that a query gives; None where it gives nothing, NaN or Inf.

        Raises:
            ProviderUnavailable: not reached, too late, too often, or a server error: asking again may help.
            ProviderRefused: a query, credentials or an address to be mended, or an answer that is no number. Of an
                answer of several series it tells how many there are: which of them speaks of the revision nobody knows.
        """
