"""The loop of one canary against an API server in memory: what is stored and reported, and in which order."""

import asyncio
import time
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.reporting.events import EventReporter
from agent.resources import METRIC_TEMPLATES
from canary.api.names import Identity
from canary.run.history import Run
from canary.run.messages import promotion_completed
from canary.run.phase import Phase
from canary.run.revision import revision_of
from canary.run.state import Analysis, HookAnswers, Revisions, State, TargetIdentity, Timing, TransitionRecord
from canary.run.traffic import Traffic
from canary.run.wire import FINALIZER, REVISION_ANNOTATION
from kube.resource import DEPLOYMENTS
from tests.support.chat import chatting
from tests.support.chat_protocols import SLACK_HOOK
from tests.support.eventually import eventually
from tests.support.exposition import exposed
from tests.support.patience import PATIENCE_S
from tests.support.podinfo import podinfo_deployment, stored
from tests.unit.agent.canary_loop import DELETED, CanaryApi, Json, looping
from tests.unit.kube.apiserver import ApiServer, no, running_api_server

NO_TARGET = "the name of a Deployment in namespace test, and there is none of this name"
REVISION = revision_of(podinfo_deployment()["spec"]["template"])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api_server(tmp_path) as running:
        yield running


def state(phase: Phase, **more: Any) -> State:
    """A canary of ours at rest, but for its phase."""
    revisions = Revisions(analysed=REVISION, promoted=REVISION, finished=REVISION)
    target, transition = TargetIdentity("stored-uid", 1, REVISION), TransitionRecord(sequence=5)
    names = Identity("podinfo", "Deployment", "podinfo")
    return replace(
        State(phase=phase, revisions=revisions, target=target, transition=transition, identity=names), **more
    )


def delete(api: CanaryApi, **more: Any) -> None:
    metadata = api.obj["metadata"] | {"deletionTimestamp": DELETED, "finalizers": [FINALIZER]}
    api.write(api.obj | {"metadata": metadata} | more)


async def test_the_status_is_written_through_its_subresource(server: ApiServer) -> None:
    async with looping(server, state(Phase.SUCCEEDED), {}) as api:
        await eventually(lambda: api.history, bool)
        assert api.history == ["Canary test/podinfo spec.targetRef.name: found 'podinfo'; allowed: " + NO_TARGET]
        assert api.puts == ["/apis/flagger.app/v1beta1/namespaces/test/canaries/podinfo/status"]
        ready = {one["type"]: one for one in api.obj["status"]["conditions"]}["Ready"]
        assert (ready["status"], ready["reason"]) == ("False", "TargetNotFound")


async def test_the_end_of_a_deletion_is_reported_before_the_canary_goes(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventReporter.wait_written, "__defaults__", (PATIENCE_S,))
    async with looping(server, state(Phase.SUCCEEDED), {}, revertOnDeletion=True) as api:
        delete(api)
        await eventually(lambda: api.is_gone, bool)
        assert api.history[-2:] == [
            "podinfo.test is gone: there is nothing that could take the traffic back",
            "gone",
        ]


def create_workloads(api: CanaryApi, promoted: str = REVISION) -> None:
    """Create a target with two replicas, and a primary that runs the promoted revision."""
    target, primary = podinfo_deployment(), podinfo_deployment()
    owner = {"kind": "Canary", "name": "podinfo", "uid": "c-1", "controller": True}
    annotations = {REVISION_ANNOTATION: promoted}
    primary["metadata"] |= {"name": "podinfo-primary", "annotations": annotations, "ownerReferences": [owner]}
    primary["spec"]["selector"]["matchLabels"] = {"app": "podinfo-primary"}
    primary["spec"]["template"]["metadata"]["labels"] = {"app": "podinfo-primary"}
    for made in (target, primary):
        api.caches.of(DEPLOYMENTS).remember(stored(made))


async def test_a_hook_is_called_once_though_somebody_writes_the_canary_meanwhile(server: ApiServer) -> None:
    notify = {"name": "notify", "type": "post-rollout", "url": "{hooks}/notify"}
    async with looping(
        server, state(Phase.SUCCEEDED, hooks=HookAnswers(post_rollout_pending=True)), {"webhooks": [notify]}
    ) as api:

        async def edit() -> None:
            api.edit(note="somebody was here")

        api.hook = edit
        create_workloads(api)
        await eventually(lambda: api.obj["status"]["serin"].get("endUntold", False), lambda is_pending: not is_pending)
        assert api.hook_calls == 1
        assert api.obj["metadata"]["annotations"]["note"] == "somebody was here"


@pytest.mark.parametrize("broken", ["provider", "phase"])
async def test_a_canary_that_is_no_longer_understood_can_be_deleted(server: ApiServer, broken: str) -> None:
    async with looping(server, state(Phase.SUCCEEDED), {}, revertOnDeletion=True) as api:
        if broken == "provider":
            delete(api, spec=api.obj["spec"] | {"provider": "istio"})
        else:
            delete(api, status=api.obj["status"] | {"phase": "Dreaming"})
        await eventually(lambda: api.is_gone, bool)


def ready(api: CanaryApi) -> Json:
    conditions = api.obj["status"].get("conditions", [])
    return next((found for found in conditions if found["type"] == "Ready"), {})


@pytest.mark.parametrize("word", ["", "Progressing"])
async def test_a_canary_of_another_provider_that_was_never_ours_is_left_alone(server: ApiServer, word: str) -> None:
    async with looping(server, State(), {}, provider="istio", revertOnDeletion=True) as api:
        status = {"phase": word, "canaryWeight": 10} if word else {}
        api.write(api.obj | {"status": status})
        await eventually(lambda: ready(api).get("reason"), lambda reason: reason == "ProviderNotSupported")
        assert "finalizers" not in api.obj["metadata"]
        assert (api.obj["status"].get("phase", ""), api.obj["status"]["canaryWeight"]) == (word, 10 if word else 0)


async def test_a_secret_that_a_check_needs_is_missed_before_there_is_a_run(server: ApiServer) -> None:
    metric = {"name": "own", "templateRef": {"name": "own"}, "threshold": 1}
    async with looping(server, state(Phase.SUCCEEDED), {"metrics": [metric], "webhooks": None}) as api:
        metadata = {"name": "own", "namespace": "test", "resourceVersion": "1"}
        provider = {"type": "prometheus", "address": "http://prometheus:9090", "secretRef": {"name": "login"}}
        template = {"metadata": metadata, "spec": {"provider": provider, "query": "up"}}
        api.caches.of(METRIC_TEMPLATES).remember(template)
        create_workloads(api)
        await eventually(lambda: ready(api).get("reason"), lambda reason: reason == "MetricSecretUnusable")
        assert ready(api)["status"] == "False"
        fault = "found 'login'; allowed: a Secret in namespace test, and there is none of this name"
        assert ready(api)["message"].endswith(f"MetricTemplate test/own spec.provider.secretRef.name: {fault}")
        await eventually(lambda: api.history, lambda history: ready(api)["message"] in history)
        assert api.obj["status"]["phase"] == "Succeeded"


async def test_a_run_is_still_watched_when_its_provider_is_edited_away(server: ApiServer) -> None:
    exposed = state(
        Phase.PROGRESSING,
        revisions=Revisions(analysed=REVISION, promoted="before", finished="before"),
        traffic=Traffic(10),
        analysis=Analysis(started_at_s=1.0, decisive_at_s=time.time()),
        timing=Timing(next_check_at_s=1.0),
    )
    check = {"name": "check", "type": "rollout", "url": "{hooks}/check"}
    analysis = {"webhooks": [check], "metrics": None, "threshold": 1}
    async with looping(server, exposed, analysis, provider="istio") as api:
        api.hook_code = 500
        create_workloads(api, promoted="before")
        await eventually(lambda: api.obj["status"]["phase"], lambda phase: phase == "Failed")
        assert api.obj["status"]["canaryWeight"] == 0


async def test_an_alert_is_sent_while_a_hook_is_waited_for_and_costs_no_conflict(server: ApiServer) -> None:
    """Both write the status: that it is begun and that it is sent, and after that what the hook said."""
    notify = {"name": "notify", "type": "post-rollout", "url": "{hooks}/notify", "timeout": "10m"}
    told = TransitionRecord(
        sequence=5, at_s=time.time(), messages=(promotion_completed("podinfo.test", is_analysis_skipped=False),)
    )
    ended = replace(state(Phase.SUCCEEDED, hooks=HookAnswers(post_rollout_pending=True)), transition=told)
    async with chatting(SLACK_HOOK) as chat:
        own = replace(chat.destination, namespace="")
        async with looping(server, ended, {"webhooks": [notify]}, own) as api:
            released = asyncio.Event()

            async def hang() -> None:
                await eventually(lambda: chat.posted, bool)
                await eventually(lambda: "unsentAlerts" in api.obj["status"]["serin"], lambda is_there: not is_there)
                released.set()

            api.hook = hang
            create_workloads(api)
            await eventually(
                lambda: api.obj["status"]["serin"].get("endUntold", False), lambda is_pending: not is_pending
            )
    assert released.is_set()
    assert (len(chat.posted), api.hook_calls, api.conflicts) == (1, 1, 0)


async def test_an_edited_spec_waits_for_no_hook_that_hangs(server: ApiServer) -> None:
    notify = {"name": "notify", "type": "post-rollout", "url": "{hooks}/notify"}
    notify["timeout"] = "10m"
    async with looping(
        server, state(Phase.SUCCEEDED, hooks=HookAnswers(post_rollout_pending=True)), {"webhooks": [notify]}
    ) as api:
        released = asyncio.Event()

        async def hang() -> None:
            await released.wait()

        api.hook = hang
        create_workloads(api)
        await eventually(lambda: api.hook_calls, lambda calls: calls == 1)
        spec = deepcopy(api.obj["spec"])
        spec["analysis"]["webhooks"] = []
        api.write(api.obj | {"metadata": api.obj["metadata"] | {"generation": 2}, "spec": spec})
        await eventually(lambda: api.obj["status"]["serin"].get("endUntold", False), lambda is_pending: not is_pending)
        # A server's handler goes on without its client.
        released.set()


async def test_conflicts_without_end_are_reported(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.loop._RETRY_FIRST_S", 0.001)
    async with looping(server, state(Phase.SUCCEEDED, hooks=HookAnswers(post_rollout_pending=True)), {}) as api:

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.method == "PUT":
                return await no(409, "Conflict")(request)
            return await api.answer(request)

        server.otherwise = answer
        create_workloads(api)
        await eventually(lambda: any("409 Conflict" in text for text in api.history), bool)


async def test_a_status_that_the_api_server_prunes_is_told_once_and_not_written_without_end(server: ApiServer) -> None:
    exposed = state(
        Phase.PROGRESSING,
        revisions=Revisions(analysed=REVISION, promoted="before", finished="before"),
        traffic=Traffic(10),
        analysis=Analysis(started_at_s=1.0, decisive_at_s=time.time()),
        timing=Timing(next_check_at_s=1.0),
    )
    check = {"name": "check", "type": "rollout", "url": "{hooks}/check"}
    async with looping(server, exposed, {"webhooks": [check], "metrics": None}) as api:
        api.prunes_status = True
        create_workloads(api, promoted="before")
        await eventually(lambda: ready(api).get("reason"), lambda reason: reason == "StatusNotStored")
        assert (api.obj["status"]["phase"], api.obj["status"]["canaryWeight"]) == ("Failed", 0)
        puts = len(api.puts)
        assert puts <= 4
        await eventually(lambda: len(api.puts), lambda now: now > puts)
        told = [text for text in api.history if "status.serin" in text]
        assert told == [ready(api)["message"]]
        api.prunes_status = False
        await eventually(lambda: ready(api).get("status"), lambda status: status == "True")


async def test_what_a_tick_asks_and_how_a_run_ends_is_counted(server: ApiServer) -> None:
    running = state(
        Phase.PROGRESSING,
        revisions=Revisions(analysed=REVISION, promoted="before", finished="before"),
        traffic=Traffic(10),
        run=Run(1.0),
        analysis=Analysis(started_at_s=1.0, decisive_at_s=time.time()),
        timing=Timing(next_check_at_s=1.0),
    )
    check = {"name": "check", "type": "rollout", "url": "{hooks}/check"}
    analysis = {"webhooks": [check], "metrics": [{"name": "p99", "query": "x"}], "threshold": 1}
    async with looping(server, running, analysis) as api:
        api.hook_code = 500
        create_workloads(api, promoted="before")
        await eventually(lambda: api.obj["status"]["phase"], lambda phase: phase == "Failed")
        shown = exposed(api.metrics)
    labels = 'name="podinfo",namespace="test"'
    assert shown[f'serin_check_verdicts_total{{metric="p99",{labels},verdict="error"}}'] == 1
    assert shown[f'serin_check_verdicts_total{{metric="p99",{labels},verdict="fail"}}'] == 0
    assert shown[f"flagger_canary_duration_seconds_count{{{labels}}}"] == 1
    ends = f'analysis_status="completed",deployment_strategy="canary",{labels}'
    assert shown[f"flagger_canary_failures_total{{{ends}}}"] == 1
    assert shown['serin_run_duration_seconds_count{outcome="rolledBack"}'] == 1
    assert shown[f'serin_canary_last_run_seconds{{{labels},outcome="rolledBack"}}'] > 1_000_000
