"""Is a Flagger at work? Its Lease shows it, by its stamp and by the renewals observed; or its pods do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.flagger import FlaggerWatch
from agent.settings import Settings
from kube.cache import Cache
from kube.client import Client
from kube.resource import DEPLOYMENTS, LEASES, PODS
from kube.store import key_of

RENEWED_S = 1767225600.0
TRUSTED = ("flagger-system", "gloo-system")


def lease(
    version: int,
    *,
    holder: str = "flagger-1",
    renewed: str = "2026-01-01T00:00:00.000000Z",
    namespace: str = "flagger-system",
    duration_s: int = 15,
) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": "flagger-leader-election", "resourceVersion": str(version)},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": duration_s, "renewTime": renewed},
    }


class Clock:
    """The time, in seconds since the epoch."""

    def __init__(self) -> None:
        self.now_s = RENEWED_S + 5
        self.monotonic_s = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds
        self.monotonic_s += seconds


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


class Pods:
    """The caches of pods that were asked for, by namespace and selector; nobody fills them but the test."""

    def __init__(self) -> None:
        self.caches: dict[tuple[str, str], Cache] = {}

    def __call__(self, namespace: str, selector: str) -> Cache:
        self.caches[namespace, selector] = cache = Listless(Client(connection=None), PODS)  # type: ignore[arg-type]
        return cache


class Listless(Cache):
    """A cache whose list is what the test says."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    def list(self, *pods: dict[str, Any]) -> None:
        version = str(int(self._store.resource_version or 0) + 1)
        listed = [pod | {"metadata": pod["metadata"] | {"resourceVersion": version}} for pod in pods]
        self._store_list({key_of(pod): pod for pod in listed}, version)


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
def watch(leases: Cache, deployments: Cache, pods: Pods, clock: Clock) -> FlaggerWatch:
    return FlaggerWatch(
        leases, deployments, pods, trusted=TRUSTED, now_s=lambda: clock.now_s, clock=lambda: clock.monotonic_s
    )


@asynccontextmanager
async def running(watch: FlaggerWatch, changes: list[str]) -> AsyncIterator[None]:
    """Let it watch, and note what is at work at each change."""
    task = asyncio.create_task(watch.run(lambda: changes.append(watch.at_work())), name="watch")
    await turns()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def turns() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_no_lease_is_no_flagger(watch: FlaggerWatch) -> None:
    assert watch.at_work() == ""


def test_a_held_lease_names_its_holder_until_its_duration_is_over(
    watch: FlaggerWatch, leases: Cache, clock: Clock
) -> None:
    leases.remember(lease(1))
    assert watch.at_work() == "Lease flagger-system/flagger-leader-election: held by 'flagger-1'"
    clock.pass_by(11)
    assert watch.at_work() == ""


def test_a_lease_of_a_clock_that_is_ahead_is_held_for_its_duration_and_no_longer(
    watch: FlaggerWatch, leases: Cache, clock: Clock
) -> None:
    leases.remember(lease(1, renewed="2026-01-01T01:00:00.000000Z"))
    assert watch.at_work()
    clock.pass_by(14)
    assert watch.at_work()
    clock.pass_by(2)
    assert watch.at_work() == ""


def test_a_clock_that_is_set_back_holds_no_lease(watch: FlaggerWatch, leases: Cache, clock: Clock) -> None:
    leases.remember(lease(1))
    assert watch.at_work()
    clock.pass_by(11)
    clock.now_s -= 3600
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
    clock.pass_by(3600)
    leases.remember(lease(1))
    assert watch.at_work() == "", "an old Lease that nobody renews holds everything up"
    leases.remember(lease(2, renewed="2026-01-01T00:00:02.000000Z"))
    assert watch.at_work()
    clock.pass_by(16)
    assert watch.at_work() == ""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


FLAGGER = "ghcr.example/fluxcd/flagger:1.44.0"


def deployment(version: int, image: str = FLAGGER, namespace: str = "gloo-system", **status: int) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": "flagger", "resourceVersion": str(version)},
        "spec": {
            "selector": {
                "matchLabels": {"app": "flagger", "tier": "b"},
                "matchExpressions": [
                    {"key": "canary", "operator": "DoesNotExist"},
                    {"key": "zone", "operator": "NotIn", "values": ["a", "b"]},
                    {"key": "team", "operator": "Exists"},
                ],
            },
            "template": {"spec": {"containers": [{"name": "flagger", "image": image}]}},
        },
        "status": status,
    }


SELECTED = ("gloo-system", "app=flagger,tier=b,!canary,zone notin (a,b),team")


def pod(state: str, *, image: str = FLAGGER, is_terminating: bool = False) -> dict[str, Any]:
    metadata = {"namespace": "gloo-system", "name": "flagger-1"}
    return {
        "metadata": metadata | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if is_terminating else {}),
        "spec": {"containers": [{"name": "proxy", "image": "envoy"}, {"name": "main", "image": image}]},
        "status": {
            "containerStatuses": [{"name": "proxy", "state": {"running": {}}}, {"name": "main", "state": {state: {}}}]
        },
    }


@pytest.mark.parametrize("status", [{"replicas": 1}, {"replicas": 0, "terminatingReplicas": 1}])
async def test_a_flagger_without_a_lease_is_at_work_as_its_deployment_says_until_its_pods_are_known(
    watch: FlaggerWatch, deployments: Cache, pods: Pods, status: dict[str, int]
) -> None:
    changes: list[str] = []
    async with running(watch, changes):
        deployments.remember(deployment(1, FLAGGER, "gloo-system", **status))
        await turns()
        assert changes == ["Deployment gloo-system/flagger: has pods that run Flagger"]
        deployments.remember(deployment(2, replicas=0))
        await turns()
        assert changes[1:] == [""]


async def test_a_flagger_is_at_work_as_long_as_a_container_of_it_runs_even_when_its_deployment_is_gone(
    watch: FlaggerWatch, deployments: Cache, pods: Pods
) -> None:
    changes: list[str] = []
    async with running(watch, changes):
        deployments.remember(deployment(1, replicas=1))
        await turns()
        cache = pods.caches[SELECTED]
        assert isinstance(cache, Listless)
        cache.list(pod("running"))
        await turns()
        assert changes[-1] == "Pod gloo-system/flagger-1: runs Flagger"
        deployments._store_list({}, "2")
        cache.list(pod("running", is_terminating=True))
        await turns()
        assert changes[-1] == "Pod gloo-system/flagger-1: runs Flagger"
        cache.list(pod("terminated", is_terminating=True))
        await turns()
        assert changes[-1] == ""
        deployments.remember(deployment(3, replicas=1))
        await turns()
        assert changes[-1] == "Deployment gloo-system/flagger: has pods that run Flagger"
        assert pods.caches[SELECTED] is not cache, "what is not followed any more is taken for known"


@pytest.mark.parametrize("pod", [pod("waiting"), pod("terminated"), pod("running", image="fluxcd/flagger-loadtester")])
async def test_a_pod_in_which_no_flagger_runs_holds_nothing_up(
    watch: FlaggerWatch, deployments: Cache, pods: Pods, pod: dict[str, Any]
) -> None:
    async with running(watch, []):
        deployments.remember(deployment(1, replicas=1))
        await turns()
        cache = pods.caches[SELECTED]
        assert isinstance(cache, Listless)
        cache.list(pod)
        assert watch.at_work() == ""


def test_one_that_runs_already_is_seen_at_the_start(leases: Cache, deployments: Cache, pods: Pods) -> None:
    deployments.remember(deployment(1, "flagger", replicas=1))
    assert FlaggerWatch(leases, deployments, pods, trusted=TRUSTED).at_work()


@pytest.mark.parametrize("image", ["ghcr.example/fluxcd/flagger-loadtester:0.36.0", "", "example/flagger/other:1"])
def test_other_images_are_no_flagger(leases: Cache, deployments: Cache, pods: Pods, image: str) -> None:
    deployments.remember(deployment(1, image, replicas=1))
    assert FlaggerWatch(leases, deployments, pods, trusted=TRUSTED).at_work() == ""


async def test_a_tenants_lease_and_deployment_stop_nobody_and_are_logged_once(
    watch: FlaggerWatch,
    leases: Cache,
    deployments: Cache,
    pods: Pods,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes: list[str] = []
    leases.remember(lease(1, namespace="evil", renewed="2999-01-01T00:00:00.000000Z"))
    deployments.remember(deployment(2, "docker.example/evil/flagger:1", namespace="evil-too", replicas=1))
    async with running(watch, changes):
        assert watch.at_work() == ""
        leases.remember(lease(3, namespace="evil", renewed="2999-01-01T00:00:05.000000Z"))
        deployments.remember(deployment(4, namespace="evil-too", replicas=2))
        await turns()
        assert watch.at_work() == ""
    assert set(changes) <= {""}
    assert pods.caches == {}, "the pods of a tenant's Deployment are watched"
    assert [record.getMessage().partition(" looks")[0] for record in caplog.records] == [
        "Lease evil/flagger-leader-election",
        "Deployment evil-too/flagger",
    ]
    assert "--flagger-namespace=evil" in caplog.text


async def test_a_lease_that_was_renewed_once_for_a_century_is_held_for_five_minutes(
    watch: FlaggerWatch, leases: Cache, clock: Clock
) -> None:
    async with running(watch, []):
        leases.remember(lease(1, duration_s=3_155_760_000, renewed="2999-01-01T00:00:00.000000Z"))
        leases.remember(lease(2, duration_s=3_155_760_000, renewed="2999-01-01T00:00:01.000000Z"))
        assert watch.at_work()
        clock.pass_by(299)
        assert watch.at_work()
        clock.pass_by(2)
        assert watch.at_work() == ""


@pytest.mark.parametrize(
    ("settings", "trusted"),
    [
        (Settings(metrics_server=""), {"flagger-system", "gloo-system"}),
        (Settings(metrics_server="", pod_namespace="serin"), {"flagger-system", "gloo-system", "serin"}),
        (
            Settings(metrics_server="", namespace="shop", flagger_namespaces=("mesh",)),
            {"flagger-system", "gloo-system", "shop", "mesh"},
        ),
    ],
)
def test_a_flagger_is_looked_for_where_the_agent_lives_and_where_it_was_told(
    settings: Settings, trusted: set[str]
) -> None:
    assert settings.trusts_flaggers_of == trusted
