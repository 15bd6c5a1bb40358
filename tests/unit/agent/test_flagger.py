"""Is a Flagger at work? Its Lease tells, by the stamp in it and by the renewals that are seen."""

import asyncio
from typing import Any

import pytest

from agent.flagger import FlaggerWatch
from kube.cache import Cache
from kube.client import Client
from kube.resource import LEASES

RENEWED_S = 1767225600.0


def lease(version: int, *, holder: str = "flagger-1", renewed: str = "2026-01-01T00:00:00.000000Z") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "flagger-system", "name": "flagger-leader-election", "resourceVersion": str(version)},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed},
    }


class Clock:
    """The time, in seconds since the epoch."""

    def __init__(self) -> None:
        self.now_s = RENEWED_S + 5


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases() -> Cache:
    """A cache that nobody fills but the test."""
    return Cache(Client(connection=None), LEASES)  # type: ignore[arg-type]  # it is never asked


@pytest.fixture
def watch(leases: Cache, clock: Clock) -> FlaggerWatch:
    return FlaggerWatch(leases, now_s=lambda: clock.now_s)


def test_no_lease_is_no_flagger(watch: FlaggerWatch) -> None:
    assert watch.at_work() == ""


def test_a_held_lease_names_its_holder_until_its_duration_is_over(
    watch: FlaggerWatch, leases: Cache, clock: Clock
) -> None:
    leases.remember(lease(1))
    assert watch.at_work() == "Lease flagger-system/flagger-leader-election: held by 'flagger-1'"
    clock.now_s = RENEWED_S + 16
    assert watch.at_work() == ""


def test_a_lease_that_was_given_back_is_not_held(watch: FlaggerWatch, leases: Cache) -> None:
    leases.remember(lease(1, holder=""))
    assert watch.at_work() == ""


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": "flagger-1"}])
def test_a_lease_without_a_renewal_is_not_held(watch: FlaggerWatch, leases: Cache, spec: dict[str, Any] | None) -> None:
    leases.remember(lease(1) | {"spec": spec})
    assert watch.at_work() == ""


async def test_whoever_waits_is_told_when_a_flagger_comes_and_when_it_goes(
    watch: FlaggerWatch, leases: Cache, clock: Clock
) -> None:
    told: list[str] = []
    task = asyncio.create_task(watch.run(lambda: told.append(watch.at_work())), name="watch")
    await asyncio.sleep(0)
    leases.remember(lease(1))
    await asyncio.sleep(0)
    assert len(told) == 1
    leases.remember(lease(2, renewed="2026-01-01T00:00:04.000000Z"))
    await asyncio.sleep(0)
    assert len(told) == 1, "a renewal is told to every canary"
    leases.remember(lease(3, holder=""))
    await asyncio.sleep(0)
    assert told[1:] == [""]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_renewal_that_is_seen_counts_where_the_clocks_differ(
    watch: FlaggerWatch, leases: Cache, clock: Clock
) -> None:
    task = asyncio.create_task(watch.run(lambda: None), name="watch")
    await asyncio.sleep(0)
    clock.now_s = RENEWED_S + 3600
    leases.remember(lease(1))
    assert watch.at_work() == "", "an old Lease that nobody renews holds everything up"
    leases.remember(lease(2, renewed="2026-01-01T00:00:02.000000Z"))
    assert watch.at_work()
    clock.now_s += 16
    assert watch.at_work() == ""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
