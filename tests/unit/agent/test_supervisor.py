"""The supervisor lets go of what it knew of a canary that went, or that now has other names."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest

from agent.caches import Caches
from agent.loop import CanaryLoop
from agent.resources import CANARIES
from agent.series.agent_metrics import AgentMetrics
from agent.services import AgentServices
from agent.settings import ConfigTracking
from agent.supervisor import Supervisor
from agent.tick import CanaryTicker
from agent.tracking.referenced import Referenced
from agent.turns import Urgency
from canary.rules.shape import parse_canary
from canary.run.phase import Phase
from canary.run.state import Revisions, State, TransitionRecord
from kube.cache import Cache
from kube.client import Client, WatchEvent
from kube.resource import DEPLOYMENTS
from kube.store import Key
from render.config_refs import ConfigRef
from tests.support.canaries import canary_object
from tests.support.connected import connected
from tests.support.exposition import exposed
from tests.unit.kube.apiserver import write_kubeconfig


def dying(version: int, **spec: Any) -> dict[str, Any]:
    """A canary on which no tick does anything: it is being deleted."""
    made = canary_object(**spec)
    made["metadata"] |= {"resourceVersion": str(version), "deletionTimestamp": "2026-01-01T00:00:00Z"}
    return made


@asynccontextmanager
async def at_work(
    folder: Path,
    metrics: AgentMetrics,
    *stored: dict[str, Any],
    tracking: ConfigTracking = ConfigTracking.REFERENCED,
) -> AsyncIterator[tuple[Supervisor, Caches]]:
    """A supervisor at work; the test passes changes to its caches, there is no API server.

    `stored`: the Canaries that are there at its start.
    """
    kubeconfig = write_kubeconfig(folder / "kubeconfig", "http://127.0.0.1:1")
    async with (
        Client.connect(kubeconfig=kubeconfig, user_agent="serin/test") as client,
        aiohttp.ClientSession() as session,
    ):
        caches = Caches(client, "", tracking=tracking)
        services = connected(client, caches, session, metrics)
        for obj in stored:
            caches.of(CANARIES).remember(obj)
        supervisor = Supervisor(services)
        task = asyncio.create_task(supervisor.run(), name="supervisor")
        await asyncio.sleep(0)  # now it has subscribed
        try:
            yield supervisor, caches
            assert not task.done(), "the supervisor ended"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def supervised(folder: Path, metrics: AgentMetrics) -> AsyncIterator[Cache]:
    """The same, for a test that changes Canaries only."""
    async with at_work(folder, metrics) as (_, caches):
        yield caches.of(CANARIES)


async def test_what_was_counted_of_a_deleted_canary_goes_though_nobody_asks_for_the_page(tmp_path: Path) -> None:
    metrics = AgentMetrics("1.2.3")
    async with supervised(tmp_path, metrics) as cache:
        cache.remember(dying(1))
        metrics.canaries.count_end(parse_canary(dying(1)), State(phase=Phase.FAILED))
        assert metrics.canaries._counts
        cache._handle_event(WatchEvent("DELETED", dying(2)))
        assert not metrics.canaries._counts


def target(version: int, generation: int) -> dict[str, Any]:
    metadata = {"namespace": "test", "name": "podinfo", "uid": "u-1", "generation": generation}
    return {
        "metadata": metadata | {"resourceVersion": str(version)},
        "spec": {"template": {"spec": {"containers": []}}},
    }


def with_image(obj: dict[str, Any], image: str) -> dict[str, Any]:
    obj["spec"]["template"]["spec"]["containers"] = [{"name": "podinfo", "image": image}]
    return obj


OWNER = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "podinfo", "uid": "u-0"}


@pytest.mark.parametrize(
    ("name", "image", "metadata", "is_counted"),
    [
        ("podinfo", "podinfo:{}", {}, True),
        ("podinfo", "podinfo:1", {}, False),  # scaled only, as the agent does it, too
        ("podinfo-primary", "podinfo:{}", {"ownerReferences": [OWNER]}, False),  # promotions
        ("other", "podinfo:{}", {}, False),  # no canary's
    ],
)
async def test_new_templates_of_targets_count_as_users_edits_and_nothing_else_does(
    tmp_path: Path, name: str, image: str, metadata: dict[str, Any], *, is_counted: bool
) -> None:
    async with at_work(tmp_path, AgentMetrics("1.2.3")) as (supervisor, caches):
        caches.of(CANARIES).remember(dying(1))
        supervisor._services.turns._pace._clock = lambda: 1_000.0
        for number in range(1, 12):
            obj = with_image(target(number, number), image.format(number))
            obj["metadata"] |= metadata | {"name": name}
            caches.of(DEPLOYMENTS)._handle_event(WatchEvent("MODIFIED" if number > 1 else "ADDED", obj))
        assert list(supervisor._services.turns._edits) == ([Key("test", "podinfo")] if is_counted else [])


async def test_an_edit_known_by_a_list_is_detected_by_resync_and_one_of_the_watch_by_watch(tmp_path: Path) -> None:
    metrics = AgentMetrics("1.2.3")
    async with at_work(tmp_path, metrics) as (supervisor, caches):
        caches.of(CANARIES).remember(dying(1))
        loop, _ = supervisor._loops[Key("test", "podinfo")]
        workloads, canary = caches.of(DEPLOYMENTS), parse_canary(dying(1))
        before = State(revisions=Revisions(analysed="rev-1"), transition=TransitionRecord(at_s=1.0))

        def detected(by: str) -> float:
            return exposed(metrics).get(f'serin_revisions_detected_total{{by="{by}"}}', 0)

        for version, by in ((2, "resync"), (4, "watch"), (6, "resync")):
            if by == "resync":
                workloads._store_list({Key("test", "podinfo"): target(version, version)}, str(version))
            else:
                workloads._handle_event(WatchEvent("MODIFIED", target(version, version)))
            # A status is no edit: the edit before it still counts as known by the list, or by the watch event.
            workloads._handle_event(WatchEvent("MODIFIED", target(version + 1, version)))
            count = detected(by)
            after = replace(before, revisions=Revisions(analysed=f"rev-{version}"))
            loop._ticker._count(canary, before, before.transition_to(after, 5.0))
            assert detected(by) == count + 1
        assert (detected("resync"), detected("watch")) == (2, 1)


def labelled(version: int, name: str, **labels: str) -> dict[str, Any]:
    made = target(version, 1)
    made["metadata"] |= {"name": name, "uid": name}
    made["spec"] |= {"selector": {"matchLabels": labels}}
    made["spec"]["template"] |= {"metadata": {"labels": labels}}
    return made


async def test_another_workload_with_a_sides_label_wakes_the_canary_when_it_comes_changes_and_goes(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path, AgentMetrics("1.2.3")) as (supervisor, caches):
        caches.of(CANARIES).remember(dying(1))
        workloads = caches.of(DEPLOYMENTS)
        workloads.remember(labelled(2, "podinfo", app="podinfo"))
        loop, _ = supervisor._loops[Key("test", "podinfo")]

        def wakes(kind: str, workload: dict[str, Any]) -> bool:
            loop._woken.clear()
            workloads._handle_event(WatchEvent(kind, workload))
            return loop._woken.is_set()

        assert wakes("ADDED", labelled(3, "worker", app="podinfo-primary", role="worker"))
        assert not wakes("MODIFIED", labelled(4, "worker", app="podinfo-primary", role="worker"))
        assert wakes("MODIFIED", labelled(5, "worker", app="podinfo"))
        assert wakes("MODIFIED", labelled(6, "worker", app="worker"))
        assert not wakes("DELETED", labelled(7, "worker", app="worker"))
        assert not wakes("ADDED", labelled(8, "other", app="other"))


async def test_a_canary_with_edited_names_is_woken_by_what_was_made_under_the_old_ones(tmp_path: Path) -> None:
    async with at_work(tmp_path, AgentMetrics("1.2.3")) as (supervisor, caches):
        renamed = dying(1, targetRef={"kind": "Deployment", "name": "other"}, service={"name": "shop", "port": 80})
        names = {"target": "podinfo", "kind": "Deployment", "service": "podinfo"}
        caches.of(CANARIES).remember(renamed | {"status": {"serin": {"names": names}}})
        loop, _ = supervisor._loops[Key("test", "podinfo")]
        for version, name in enumerate(("podinfo", "podinfo-primary", "other", "other-primary"), start=2):
            loop._woken.clear()
            caches.of(DEPLOYMENTS).remember(labelled(version, name, app=name))
            assert loop._woken.is_set(), name


async def test_a_fault_that_nobody_thought_of_in_one_canary_keeps_no_other_from_being_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(key: Key, services: AgentServices) -> Any:
        if key.name == "odd":
            raise RecursionError("deep inside")
        return CanaryLoop(key, services)

    monkeypatch.setattr("agent.supervisor.CanaryLoop", fail)
    odd = dying(1)
    odd["metadata"] |= {"name": "odd"}
    metrics = AgentMetrics("1.2.3")
    async with at_work(tmp_path, metrics, odd, dying(2)) as (supervisor, caches):
        assert Key("test", "podinfo") in supervisor._loops
        assert exposed(metrics)['serin_tick_errors_total{error="RecursionError"}'] == 1
        caches.of(CANARIES)._handle_event(WatchEvent("DELETED", odd | {"metadata": odd["metadata"]}))


async def test_a_loop_outlives_a_fault_outside_of_its_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: CanaryTicker) -> Urgency:
        raise RecursionError("deep inside")

    monkeypatch.setattr(CanaryTicker, "urgency", fail)
    metrics = AgentMetrics("1.2.3")
    async with at_work(tmp_path, metrics, dying(1)):
        for _ in range(10):
            await asyncio.sleep(0)
        assert exposed(metrics)['serin_tick_errors_total{error="RecursionError"}'] == 1


def target_that_reads(name: str) -> dict[str, Any]:
    """Return the target with a container that takes its environment from a ConfigMap."""
    using = target(2, 1)
    container = {"name": "app", "envFrom": [{"configMapRef": {"name": name}}]}
    using["spec"]["template"]["spec"] = {"containers": [container]}
    return using


async def test_what_is_read_for_a_canary_wakes_those_it_was_read_for_before_and_no_other(tmp_path: Path) -> None:
    """Each start of an agent reads all of a namespace: looked up for each canary, that would be their product."""
    async with at_work(tmp_path, AgentMetrics("1.2.3")) as (supervisor, caches):
        caches.of(CANARIES).remember(dying(1))
        caches.of(DEPLOYMENTS).remember(target_that_reads("conf"))
        loop, _ = supervisor._loops[Key("test", "podinfo")]
        configs, tracking = caches.tracking.of("ConfigMap"), cast("Referenced", caches.tracking)

        def wakes(value: str) -> bool:
            loop._woken.clear()
            metadata = {"name": "conf", "namespace": "test", "resourceVersion": value}
            configs.remember({"kind": "ConfigMap", "metadata": metadata, "data": {"a": value}})
            return loop._woken.is_set()

        assert not wakes("1")
        readers = {Key("test", "podinfo"), Key("test", "gone")}
        tracking._readers["test", ConfigRef("ConfigMap", "conf")] = readers
        assert wakes("2")
        assert not wakes("2")


async def test_a_watched_configmap_wakes_the_canaries_that_refer_to_it(tmp_path: Path) -> None:
    async with at_work(tmp_path, AgentMetrics("1.2.3"), tracking=ConfigTracking.WATCH) as (supervisor, caches):
        caches.of(CANARIES).remember(dying(1))
        caches.of(DEPLOYMENTS).remember(target_that_reads("conf"))
        loop, _ = supervisor._loops[Key("test", "podinfo")]
        for name, is_woken in (("other", False), ("conf", True)):
            loop._woken.clear()
            metadata = {"name": name, "namespace": "test", "resourceVersion": "3"}
            caches.tracking.of("ConfigMap").remember({"kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}})
            assert loop._woken.is_set() is is_woken
