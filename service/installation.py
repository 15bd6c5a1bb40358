"""What programs of Serin know of an installation: the names of its parts, and where a Flagger counts."""

import re
from collections.abc import Iterable
from typing import Final

AGENT: Final = "serin-agent"
"""The name of the agent's Deployment, and of its Lease."""

DEFAULT_NAMESPACE: Final = "gloo-system"
"""Where it is installed if nobody says otherwise."""

FLAGGERS_NAMESPACE: Final = "flagger-system"
"""Where Flagger's chart is mostly installed."""


def lease_name(namespace: str, lease_namespace: str) -> str:
    """Return the name of the Lease of the agent that is limited to a namespace, empty for all of them.

    Where the Lease is in that namespace too, there is no other agent's beside it.
    """
    return AGENT if namespace in {"", lease_namespace} else f"{AGENT}-{namespace}"


def shard_leases(lease: str, shards: int) -> tuple[str, ...]:
    """Return the names of the Leases of the leaders, one for each shard: the agent's own where there is one leader.

    No namespace has a dot in its name, so none of them is the Lease of an agent that is limited to a namespace.
    """
    return (lease,) if shards == 1 else tuple(f"{lease}.shard-{shard}" for shard in range(shards))


def held_together(shards: int) -> str:
    """Return by what name agents of so many shards hold the Lease of a single leader, all of them together.

    Agents of an older version held it as "3 shards", beside Leases of shards by other names. Were the word the same, an
    old one and a new one would lead at once; so each waits until the last one of the other kind is gone.
    """
    return f"{shards} leaders"


def is_held_together(holder: str) -> bool:
    """Return whether a holder's name is that of agents that hold a Lease together."""
    return re.fullmatch(r"\d+ (leaders|shards)", holder) is not None


def waiting_lease(lease: str) -> str:
    """Return the name of the Lease of an agent that leads no shard, and waits for one."""
    return f"{lease}.waiting"


def trusted_namespaces(own: Iterable[str], named: Iterable[str]) -> frozenset[str]:
    """Return the namespaces in which a Flagger holds everything up: tenants must not be able to write there.

    `own`: where the agent and its Lease are, and the namespace that it is limited to, which counts, too: whoever works
    there stops no canary of anybody else. `named`: those of `--flagger-namespace`.
    """
    return frozenset({FLAGGERS_NAMESPACE, *own, *named}) - {""}
