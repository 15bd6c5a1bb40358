"""Which shard a namespace is in. Pure; were it not the same in every process, two would write in one namespace."""

from functools import lru_cache
from hashlib import blake2b
from typing import Final

MOST_SHARDS: Final = 16
"""Each agent looks at each Lease once a second: with more of them that costs more than it saves."""


@lru_cache(maxsize=65_536)
def shard_of(namespace: str, shards: int) -> int:
    """Return the shard of a namespace, from 0 on: that of the highest score (rendezvous hashing).

    From N shards to N + 1 one namespace of N + 1 moves, and only to the new shard.
    """
    return max(range(shards), key=lambda shard: _score(namespace, shard))


def _score(namespace: str, shard: int) -> bytes:
    return blake2b(f"{shard}/{namespace}".encode(), digest_size=8).digest()
