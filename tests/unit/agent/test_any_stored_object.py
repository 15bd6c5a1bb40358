"""Whatever is stored in a Canary, of any provider: the agent starts, follows its changes, and lets it go."""

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agent.cooldowns import ActionCooldowns
from agent.resources import CANARIES
from agent.series.agent_metrics import AgentMetrics
from agent.stored import read_stored
from canary.decide import decide
from canary.run.phase import Phase
from canary.run.status import UnknownPhase
from canary.run.wire import StatusKey
from kube.client import WatchEvent
from kube.resource import DEPLOYMENTS
from kube.store import Key
from tests.support.canaries import canary_object
from tests.support.podinfo import podinfo_deployment
from tests.unit.agent.test_supervisor import at_work, dying, labelled

WORDS = st.text(max_size=5) | st.sampled_from(
    ["", "gloo", "istio", "Deployment", "podinfo", "Ready", "False", "2026-01-01T00:00:00Z", "0000-01-01T00:00:00Z"]
)
SPEC = (
    *("provider", "targetRef", "autoscalerRef", "upstreamRef", "service", "analysis", "canaryAnalysis", "metrics"),
    *("templateRef", "name", "kind", "namespace", "port", "webhooks", "alerts", "suspend", "revertOnDeletion"),
)
FLAGGERS = (
    *("canaryWeight", "failedChecks", "iterations", "lastAppliedSpec", "lastPromotedSpec", "lastTransitionTime"),
    *("sessionAffinityCookie", "trackedConfigs", "conditions"),
)
INNER = (
    "uid",
    "generation",
    "revision",
    "target",
    "kind",
    "service",
    "type",
    "text",
    "alert",
    "severity",
    "verb",
    "at",
)
OURS = sorted(value for name, value in vars(StatusKey).items() if name.isupper())
KEYS = st.sampled_from((*SPEC, *INNER, "status", "reason", "message", "name"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


def with_any(fields: tuple[str, ...] | list[str], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects that have some of the fields, with anything in them."""
    return st.builds(
        lambda found, others: found | others,
        st.dictionaries(st.sampled_from(fields), JSON, max_size=4),
        st.fixed_dictionaries({}, optional=more),
    )


METADATA = st.fixed_dictionaries(
    {},
    optional={
        "annotations": st.dictionaries(st.sampled_from(["serin.dev/request", "a"]), WORDS, max_size=2),
        "finalizers": st.lists(st.sampled_from(["serin.dev/revert", "a"]), max_size=2),
        "deletionTimestamp": st.just("2026-01-01T00:00:00Z"),
    },
)
STATUSES = with_any(FLAGGERS, phase=st.sampled_from(["", *Phase]) | JSON, serin=with_any(OURS) | JSON)
GOOD_SPEC = canary_object()["spec"]
SPECS = JSON | with_any(SPEC) | st.just(GOOD_SPEC) | with_any(SPEC).map(lambda changes: GOOD_SPEC | changes)
SHAPES = st.fixed_dictionaries({"metadata": METADATA}, optional={"spec": SPECS, "status": JSON | STATUSES})

# What the API server stores under both CRDs: canaryAnalysis and status.serin are free.
OF_ISTIO = {"provider": "istio", "targetRef": {"kind": "Deployment", "name": "a"}, "canaryAnalysis": {"metrics": ["x"]}}


def stored(name: str, version: int, shape: dict[str, Any]) -> dict[str, Any]:
    """Return a Canary of any shape as the API server has it: of its metadata nothing is free."""
    metadata = {"name": name, "namespace": "test", "uid": name, "generation": 1, "resourceVersion": str(version)}
    return {**shape, "metadata": metadata | shape["metadata"]}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(SHAPES, SHAPES), max_size=20))
@example([({"metadata": {}, "spec": OF_ISTIO}, {"metadata": {}, "spec": OF_ISTIO, "status": []})])
@example([({"metadata": {}, "spec": None}, {"metadata": {}, "spec": {"analysis": {"metrics": 5}}, "status": 1})])
def test_no_stored_canary_ends_the_agent_or_keeps_another_from_being_woken(
    tmp_path: Path, shapes: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    before, after = (
        [stored(f"odd-{number}", version + number, pair[position]) for number, pair in enumerate(shapes)]
        for position, version in ((0, 1), (1, 101))
    )

    async def play() -> None:
        async with at_work(tmp_path, AgentMetrics("1.2.3"), *before, dying(100)) as (supervisor, caches):
            canaries, workloads = caches.of(CANARIES), caches.of(DEPLOYMENTS)
            await turns()
            assert len(supervisor._loops) == len(shapes) + 1
            for obj in after:
                canaries._handle_event(WatchEvent("MODIFIED", obj))
            await turns()
            loop, _ = supervisor._loops[Key("test", "podinfo")]
            loop._woken.clear()
            workloads.remember(labelled(200, "podinfo", app="podinfo"))
            assert loop._woken.is_set()
            for obj in after:
                canaries._handle_event(WatchEvent("DELETED", obj | {"metadata": obj["metadata"]}))
            await turns()
            assert set(supervisor._loops) == {Key("test", "podinfo")}
            concerned = caches.concerns._canaries.values()
            assert {key for keys in concerned for key in keys} == {Key("test", "podinfo")}

    asyncio.run(play())


async def turns() -> None:
    """Let everything that is ready run."""
    for _ in range(10):
        await asyncio.sleep(0)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SHAPES, min_size=5, max_size=40))
def test_every_stored_canary_is_read_observed_and_decided_about(tmp_path: Path, shapes: list[dict[str, Any]]) -> None:
    async def play() -> None:
        async with at_work(tmp_path, AgentMetrics("1.2.3")) as (supervisor, caches):
            caches.of(DEPLOYMENTS).remember(podinfo_deployment() | {"kind": "Deployment"})
            for shape in shapes:
                try:
                    read = read_stored(stored("podinfo", 1, shape), None)
                except UnknownPhase:
                    continue
                if read.canary is None:
                    assert read.blocker is not None
                    continue
                observation = supervisor._services.observer.observe(read.canary, read, ActionCooldowns())
                decide(read.canary, read.state, observation)

    asyncio.run(play())
