"""Is a Flagger at work? Its Lease shows it, by its stamp and by the renewals observed; or its Deployment does."""

import asyncio
from typing import Any

import pytest

from agent.flagger import FlaggerWatch
from kube.cache import Cache
from kube.client import Client
from kube.resource import DEPLOYMENTS, LEASES

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
def deployments() -> Cache:
    """The same of Deployments."""
    return Cache(Client(connection=None), DEPLOYMENTS)  # type: ignore[arg-type]  # it is never asked


@pytest.fixture
def watch(leases: Cache, deployments: Cache, clock: Clock) -> FlaggerWatch:
    return FlaggerWatch(leases, deployments, now_s=lambda: clock.now_s)


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


async def test_whoever_waits_is_notified_when_a_flagger_comes_and_when_it_goes(
    watch: FlaggerWatch, leases: Cache, clock: Clock
) -> None:
    changes: list[str] = []
    task = asyncio.create_task(watch.run(lambda: changes.append(watch.at_work())), name="watch")
    await asyncio.sleep(0)
    leases.remember(lease(1))
    await asyncio.sleep(0)
    assert len(changes) == 1
    leases.remember(lease(2, renewed="2026-01-01T00:00:04.000000Z"))
    await asyncio.sleep(0)
    assert len(changes) == 1, "a renewal wakes every canary"
    leases.remember(lease(3, holder=""))
    await asyncio.sleep(0)
    assert changes[1:] == [""]
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


def deployment(version: int, image: str, replicas: int) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "gloo-system", "name": "flagger", "resourceVersion": str(version)},
        "spec": {"template": {"spec": {"containers": [{"name": "flagger", "image": image}]}}},
        "status": {"replicas": replicas} if replicas else {},
    }


async def test_a_flagger_without_a_lease_is_at_work_as_long_as_its_deployment_has_pods(
    watch: FlaggerWatch, deployments: Cache
) -> None:
    changes: list[str] = []
    task = asyncio.create_task(watch.run(lambda: changes.append(watch.at_work())), name="watch")
    await asyncio.sleep(0)
    for version, replicas in enumerate((1, 1, 0), start=1):
        deployments.remember(deployment(version, "ghcr.example/fluxcd/flagger:1.44.0", replicas))
        await asyncio.sleep(0)
    assert changes == ["Deployment gloo-system/flagger: has pods that run Flagger", ""]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_one_that_runs_already_is_seen_at_the_start(leases: Cache, deployments: Cache) -> None:
    deployments.remember(deployment(1, "flagger", 1))
    assert FlaggerWatch(leases, deployments).at_work()


@pytest.mark.parametrize("image", ["ghcr.example/fluxcd/flagger-loadtester:0.36.0", "", "example/flagger/other:1"])
def test_other_images_are_no_flagger(leases: Cache, deployments: Cache, image: str) -> None:
    deployments.remember(deployment(1, image, 1))
    assert FlaggerWatch(leases, deployments).at_work() == ""
