"""What is wrong with the Secrets of a canary's checks keeps its next run from beginning, and is told before that."""

import asyncio
import base64
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from agent.blockers import find_blockers
from agent.caches import Caches
from agent.providers.metrics.needed_secrets import look_again_after_s, look_at_secrets
from agent.providers.metrics.template_secrets import TemplateSecrets
from agent.resources import METRIC_TEMPLATES
from canary.api.canary import Canary
from canary.rules.references import Stage
from kube.errors import Forbidden, KubeError, NotFound, Unavailable
from kube.resource import Object, Resource
from tests.support.canaries import canary
from tests.unit.kube.apiserver import ManualTime

PATH = "Canary test/podinfo spec.analysis.metrics[0].templateRef.name: found 'own'"
MISSING = (
    f"{PATH}; allowed: a template whose credentials can be read; MetricTemplate test/own spec.provider.secretRef.name: "
    "found 'login'; allowed: a Secret in namespace test, and there is none of this name"
)


@dataclass
class Secrets:
    """The API server, as far as it is asked: Secrets by name, or an error. `asked` counts."""

    data: dict[str, str] | None = None
    error: type[KubeError] | None = None
    asked: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.held.set()

    def within(self, _: float) -> Self:
        return self

    async def get(self, resource: Resource, name: str, namespace: str) -> Object:
        self.asked += 1
        await self.held.wait()
        error = self.error or (NotFound if self.data is None else None)
        if error is not None:
            raise error("no", status=404, resource=resource, namespace=namespace, name=name)
        return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in (self.data or {}).items()}}


class Agent:
    """What an agent knows of templates and their Secrets."""

    def __init__(self, secrets: Secrets, namespace: str = "test", lends_to: str = "infra", **provider: Any) -> None:
        client: Any = secrets
        self.time, self.caches = ManualTime(), Caches(client, "")
        self.caches.template_secrets = TemplateSecrets(client, self.time.clock, lends_identity_to={lends_to})
        made = {"type": "graphite", "address": "http://graphite", "secretRef": {"name": "login"}} | provider
        metadata = {"name": "own", "namespace": namespace, "resourceVersion": "1"}
        query = "[]" if made["type"] == "cloudwatch" else "target=sumSeries(x)"
        template = {"metadata": metadata, "spec": {"provider": made, "query": query}}
        self.caches.of(METRIC_TEMPLATES).remember(template)

    async def told(self, one: Canary, after_s: float = 0.0) -> list[tuple[str, str]]:
        """Look as a tick does, and return what keeps runs from beginning."""
        self.time.now_s += after_s
        await look_at_secrets(one, self.caches)
        return [(str(one.reason), one.message) for one in find_blockers(one, self.caches, Stage.START)]


def watched(namespace: str = "", **metric: Any) -> Canary:
    reference = {"name": "own"} | ({"namespace": namespace} if namespace else {})
    return canary({"metrics": [{"name": "own", "templateRef": reference, "threshold": 1} | metric]})


async def test_a_secret_that_is_missing_is_named_and_picked_up_when_it_comes() -> None:
    secrets = Secrets()
    agent, one = Agent(secrets), watched()
    assert await agent.told(one) == [("MetricSecretUnusable", MISSING)]
    assert look_again_after_s(one, agent.caches) == 30.0
    secrets.data = {"username": "u", "password": "p"}
    assert await agent.told(one, after_s=29.9) == [("MetricSecretUnusable", MISSING)]
    assert await agent.told(one, after_s=0.1) == []
    assert look_again_after_s(one, agent.caches) is None, "nobody is asked again and again where all is well"
    assert secrets.asked == 2


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"username": "u"}, "data.password: found nothing; allowed: username and password"),
        ({"username": "u", "password": " \n"}, "data.password: found an empty text; allowed: username and password"),
    ],
)
async def test_a_key_that_is_missing_is_named_with_its_path(data: dict[str, str], fault: str) -> None:
    message = f"{PATH}; allowed: a template whose credentials can be read; Secret test/login {fault}"
    assert await Agent(Secrets(data)).told(watched()) == [("MetricSecretUnusable", message)]


async def test_of_another_namespaces_secret_nothing_is_told() -> None:
    (told,) = await Agent(Secrets({"username": "u"}), "vault").told(watched("vault"))
    fault = "MetricTemplate vault/own spec.provider: found one that can't be asked, or no Secret for it"
    assert told == (
        "MetricSecretUnusable",
        f"{PATH}; allowed: a template whose credentials can be read; {fault}",
    )


@pytest.mark.parametrize(
    "one",
    [
        watched(dryRun=True),
        canary({"metrics": [{"name": "own", "templateRef": {"name": "own"}, "threshold": 1}]}, skipAnalysis=True),
        canary({"metrics": [{"name": "own", "query": "up", "threshold": 1}]}),
    ],
    ids=["dry run", "no analysis", "no template"],
)
async def test_what_no_run_needs_is_not_looked_at(one: Canary) -> None:
    secrets = Secrets()
    assert await Agent(secrets).told(one) == []
    assert secrets.asked == 0


async def test_a_template_without_a_secret_is_not_looked_at() -> None:
    secrets = Secrets()
    assert await Agent(secrets, secretRef=None).told(watched()) == []
    assert secrets.asked == 0


@pytest.mark.parametrize(
    ("provider", "where", "whose"),
    [
        ({"type": "cloudwatch", "region": "eu-west-1", "secretRef": None}, "spec.provider.secretRef", "AWS identity"),
        ({"type": "stackdriver"}, "Secret test/login data.serviceAccountKey", "Google service account"),
    ],
)
async def test_a_template_that_may_not_use_the_agents_identity_is_told_before_a_run(
    provider: dict[str, Any], where: str, whose: str
) -> None:
    ((reason, message),) = await Agent(Secrets({"project": "p"}), **provider).told(watched())
    assert reason == "MetricSecretUnusable"
    assert message == (
        f"{PATH}; allowed: a template whose credentials can be read; MetricTemplate test/own {where}: found nothing; "
        "allowed: credentials, for templates of namespace test may not use the agent's "
        f"own {whose} (--agent-identity-namespaces)"
    )
    for lends_to in ("test", "*"):
        assert await Agent(Secrets({"project": "p"}), lends_to=lends_to, **provider).told(watched()) == []


async def test_canaries_that_share_a_secret_look_at_it_once() -> None:
    secrets = Secrets({"username": "u", "password": "p"})
    secrets.held.clear()
    agent, one = Agent(secrets), watched()
    looks = [asyncio.create_task(look_at_secrets(one, agent.caches)) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    secrets.held.set()
    await asyncio.gather(*looks)
    assert secrets.asked == 1
    for _ in range(20):
        await agent.told(one)
    assert secrets.asked == 1


async def test_an_api_server_that_does_not_answer_changes_nothing_of_what_is_known() -> None:
    secrets = Secrets(error=Unavailable)
    agent, one = Agent(secrets), watched()
    assert await agent.told(one) == []
    secrets.error = None
    assert await agent.told(one, after_s=30) == [("MetricSecretUnusable", MISSING)]
    secrets.error = Unavailable
    assert await agent.told(one, after_s=30) == [("MetricSecretUnusable", MISSING)]


async def test_a_secret_that_may_not_be_read_is_told() -> None:
    ((reason, message),) = await Agent(Secrets(error=Forbidden)).told(watched())
    assert reason == "MetricSecretUnusable"
    assert message.startswith(f"{PATH}; allowed: a template whose credentials can be read; ")


async def test_another_secret_of_the_template_is_looked_at_at_once() -> None:
    secrets = Secrets()
    agent, one = Agent(secrets), watched()
    await agent.told(one)
    template = agent.caches.of(METRIC_TEMPLATES).get("test", "own")
    assert template is not None
    provider = template["spec"]["provider"] | {"secretRef": {"name": "new"}}
    spec = template["spec"] | {"provider": provider}
    metadata = template["metadata"] | {"resourceVersion": "2"}
    agent.caches.of(METRIC_TEMPLATES).remember(template | {"metadata": metadata, "spec": spec})
    secrets.data = {"username": "u", "password": "p"}
    assert await agent.told(one) == []
