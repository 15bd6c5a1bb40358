"""An agent of one namespace: what it does not watch is asked for, and what it may not ask for is not missing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.applied_objects import AppliedObjects
from agent.blockers import find_blockers
from agent.caches import Caches
from agent.providers.alerts.destinations import Destinations
from agent.providers.errors import ProviderRefused
from agent.providers.routing.gloo import GlooRouting
from agent.resources import ALERT_PROVIDERS, METRIC_TEMPLATES, UPSTREAMS
from canary.api.canary import Canary
from canary.run.managed import ManagedObject
from kube.client import Client
from kube.resource import DEPLOYMENTS
from render.objects import UnusableObjectError
from tests.support.podinfo import podinfo_canary, podinfo_deployment
from tests.unit.kube.apiserver import Answer, ApiServer, ManualTime, client_of, no, ok, running_api_server

TUNED = {
    "metadata": {"name": "tuned", "namespace": "gloo-system", "resourceVersion": "5"},
    "spec": {"useHttp2": True, "static": {"hosts": [{"addr": "example.com", "port": 443}]}},
}


def referring(namespace: str = "gloo-system", **spec: Any) -> Canary:
    reference = {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "tuned", "namespace": namespace}
    return podinfo_canary(**{"autoscalerRef": None, "upstreamRef": reference} | spec)


@dataclass
class Limited:
    """An agent's view of namespace `test` alone, with the target in it."""

    api: ApiServer
    client: Client
    caches: Caches
    routing: GlooRouting
    time: ManualTime

    async def reasons(self, canary: Canary, *answers: Answer) -> list[str]:
        """Look at the cluster as a tick does, half a minute later than before; return what blocks the canary."""
        self.time.now_s += 30.0
        self.api.will(*answers)
        await self.caches.elsewhere.refresh(canary)
        return [str(blocker.reason) for blocker in find_blockers(canary, self.caches)]

    def canary_upstream(self, canary: Canary) -> dict[str, Any]:
        """Render the spec of an Upstream, as it would be applied."""
        spec: dict[str, Any] = self.routing._upstream(canary, podinfo_deployment(), ManagedObject.CANARY_UPSTREAM)[
            "spec"
        ]
        return spec


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[Limited]:
    time = ManualTime()
    async with running_api_server(tmp_path) as api, client_of(api, time) as client:
        caches = Caches(client, "test")
        caches.elsewhere._clock = time.clock
        target = podinfo_deployment()
        target["metadata"]["resourceVersion"] = "1"
        caches.of(DEPLOYMENTS).remember(target)
        routing = GlooRouting(client, caches, AppliedObjects(client, caches), time.clock)
        yield Limited(api, client, caches, routing, time)


async def test_an_upstream_of_another_namespace_is_read_and_its_settings_are_copied(limited: Limited) -> None:
    canary = referring()
    assert await limited.reasons(canary, ok(TUNED)) == []
    assert limited.canary_upstream(canary)["useHttp2"] is True
    assert [seen.path for seen in limited.api.seen] == ["/apis/gloo.solo.io/v1/namespaces/gloo-system/upstreams/tuned"]


async def test_what_was_read_is_read_again_after_half_a_minute_and_not_before(limited: Limited) -> None:
    canary = referring()
    await limited.reasons(canary, ok(TUNED))
    limited.time.now_s += 29.0
    await limited.caches.elsewhere.refresh(canary)
    assert len(limited.api.seen) == 1
    limited.time.now_s += 1.0
    await limited.reasons(canary, ok(TUNED | {"spec": {"useHttp2": False}}))
    assert limited.canary_upstream(canary)["useHttp2"] is False
    assert limited.caches.elsewhere.read_again_after_s(canary) == 30.0
    assert limited.caches.elsewhere.read_again_after_s(referring("test")) is None


async def test_one_that_does_not_exist_is_missing_until_it_is_made(limited: Limited) -> None:
    canary = referring()
    assert await limited.reasons(canary, no(404, "NotFound", name="tuned")) == ["UpstreamNotFound"]
    assert await limited.reasons(canary, ok(TUNED)) == []


@pytest.mark.parametrize("answer", [no(403, "Forbidden"), no(500)])
async def test_one_that_can_not_be_read_is_not_missing_and_no_upstream_is_made_without_its_settings(
    limited: Limited, answer: Answer
) -> None:
    canary = referring()
    assert await limited.reasons(canary, *[answer] * 4) == []
    with pytest.raises(
        UnusableObjectError, match=r"Canary test/podinfo spec.upstreamRef: found 'gloo-system/tuned'"
    ) as told:
        limited.routing.due_objects(canary, podinfo_deployment())
    assert told.value.reason == "UpstreamNotReadable"


async def test_what_was_read_once_counts_as_it_was_while_it_can_not_be_read(limited: Limited) -> None:
    canary = referring()
    await limited.reasons(canary, ok(TUNED))
    assert await limited.reasons(canary, no(403, "Forbidden")) == []
    assert limited.canary_upstream(canary)["useHttp2"] is True


async def test_templates_and_alert_providers_of_another_namespace_are_asked_for_too(limited: Limited) -> None:
    canary = referring(
        "test",
        analysis={
            "interval": "10s",
            "threshold": 2,
            "stepWeight": 10,
            "maxWeight": 50,
            "metrics": [
                {
                    "name": "errors",
                    "interval": "1m",
                    "thresholdRange": {"max": 1},
                    "templateRef": {"name": "errors", "namespace": "shared"},
                }
            ],
            "alerts": [{"name": "us", "severity": "info", "providerRef": {"name": "chat", "namespace": "shared"}}],
        },
    )
    limited.caches.of(UPSTREAMS).remember(
        TUNED | {"metadata": {"name": "tuned", "namespace": "test", "resourceVersion": "5"}}
    )
    assert await limited.reasons(canary, no(404, "NotFound", name="errors"), no(403, "Forbidden")) == []
    assert limited.caches.has(METRIC_TEMPLATES, "shared", "errors") is False
    assert limited.caches.has(ALERT_PROVIDERS, "shared", "chat") is None
    destinations = Destinations(limited.client, limited.caches, None)
    with pytest.raises(ProviderRefused, match="AlertProvider shared/chat can't be read by this agent: it is limited"):
        await destinations.find(destinations.recipients(canary, "info")[0])
    assert [seen.path for seen in limited.api.seen] == [
        "/apis/flagger.app/v1beta1/namespaces/shared/metrictemplates/errors",
        "/apis/flagger.app/v1beta1/namespaces/shared/alertproviders/chat",
    ]


async def test_what_no_canary_names_any_more_is_forgotten_after_a_while(limited: Limited) -> None:
    for number in range(5):
        limited.time.now_s += 300.0
        limited.api.will(ok(TUNED))
        await limited.caches.elsewhere.refresh(referring(f"team-{number}"))
    assert {reference.namespace for reference in limited.caches.elsewhere._reads} == {"team-3", "team-4"}
