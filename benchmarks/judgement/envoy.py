"""A simulated gateway: several Envoys that split requests, some of which fail, and say so as Prometheus' text."""

from dataclasses import dataclass
from random import Random
from typing import Final

from benchmarks.judgement.draws import binomial, geometric, poisson
from canary.api.names import Side

CLUSTERS: Final = {
    Side.CANARY: "test-podinfo-canaryupstream-9898_test",
    Side.PRIMARY: "test-podinfo-primaryupstream-9898_test",
}

_SERIES: Final = "envoy_cluster_upstream_rq"
_NOT_FOUND_EACH: Final = 20
"""One in so many good answers is a 404, which is the client's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the traffic is like: requests a second, and of each side the share that fails.

    `burst` is how many requests in a row one cause lets fail, on average. Each Envoy restarts once in `lives_s`.
    """

    requests_per_s: float
    canary_fails: float
    primary_fails: float = 0.005
    burst: float = 1.0
    envoys: int = 2
    lives_s: float = 1_200.0


class Gateway:
    """The Envoys of a gateway. `failed` counts what the users of the canary side felt, restarts or not."""

    def __init__(self, world: World, chance: Random) -> None:
        self._world = world
        self._chance = chance
        self._envoys: list[dict[tuple[Side, str], int]] = [{} for _ in range(world.envoys)]
        self._failing = dict.fromkeys(Side, 0)
        self.failed = 0

    def serve(self, for_s: float, canary_percent: int) -> None:
        """Let the requests of some seconds come."""
        world, chance = self._world, self._chance
        for number, counters in enumerate(self._envoys):
            if chance.random() < for_s / world.lives_s:
                self._envoys[number] = counters = {}  # noqa: PLW2901
            requests = poisson(chance, world.requests_per_s * for_s / world.envoys)
            to_canary = binomial(chance, requests, canary_percent / 100)
            for side, asked in ((Side.CANARY, to_canary), (Side.PRIMARY, requests - to_canary)):
                self._answer(counters, side, asked)

    def _answer(self, counters: dict[tuple[Side, str], int], side: Side, asked: int) -> None:
        if not asked:
            return
        failed = self._fail(side, asked)
        if side is Side.CANARY:
            self.failed += failed
        missing = (asked - failed) // _NOT_FOUND_EACH
        for code, count in (("200", asked - failed - missing), ("404", missing), ("503", failed)):
            if count:  # Envoy makes a code's counter with the first such answer
                counters[side, code] = counters.get((side, code), 0) + count

    def _fail(self, side: Side, asked: int) -> int:
        share = self._world.canary_fails if side is Side.CANARY else self._world.primary_fails
        if self._world.burst <= 1:
            return binomial(self._chance, asked, share)
        for _ in range(poisson(self._chance, asked * share / self._world.burst)):
            self._failing[side] += geometric(self._chance, self._world.burst)
        failed = min(self._failing[side], asked)
        self._failing[side] -= failed
        return failed

    def expositions(self) -> list[str]:
        """Return what each Envoy answers to a scrape."""
        return [
            "\n".join(
                f'{_SERIES}{{envoy_response_code="{code}",envoy_cluster_name="{CLUSTERS[side]}"}} {count}'
                for (side, code), count in counters.items()
            )
            for counters in self._envoys
        ]
