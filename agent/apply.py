"""Applying: the actions of a decision, carried out one after the other."""

from agent.caches import WORKLOADS, Caches
from agent.parts import Parts
from agent.providers.routing.port import Routing
from agent.settings import FIELD_MANAGER
from agent.templates import read_template
from canary.action import Action, ApplyPart, Promote, ScaleTarget, SetWeights
from canary.model.canary import Canary
from kube.client import Client
from kube.resource import Object
from render.json_patch import Operation
from render.scale import scale_patch
from render.workload import bootstrap_replicas, primary_workload, promotion_patch


class Applier:
    """Carries out actions. Each can be repeated; each is refused when the world is not what was observed."""

    def __init__(self, client: Client, caches: Caches, parts: Parts, routing: Routing) -> None:
        self._client = client
        self._caches = caches
        self._parts = parts
        self._routing = routing

    async def apply(self, canary: Canary, action: Action) -> None:
        """Carry out one action.

        Raises:
            kube.errors.KubeError: it was not done; a Conflict asks for another look.
            agent.templates.TemplateLost: there is nothing to promote.
        """
        target = self._caches.target(canary)
        if target is None:
            return
        match action:
            case ApplyPart(part):
                await self._parts.apply(canary, target, part)
            case SetWeights():
                await self._routing.set_weights(canary, action)
            case ScaleTarget(replicas):
                await self._patch(target, scale_patch(target, replicas))
            case Promote(revision):
                await self._promote(canary, target, revision)

    async def _promote(self, canary: Canary, target: Object, revision: str) -> None:
        template = await read_template(self._client, target, revision)
        primary = self._caches.primary(canary)
        if primary is not None:
            rendered = primary_workload(canary, target, template, revision=revision, replicas=None)
            await self._patch(primary, promotion_patch(primary, rendered))
            return
        replicas = bootstrap_replicas(target)
        rendered = primary_workload(canary, target, template, revision=revision, replicas=replicas)
        resource = WORKLOADS[target["kind"]]
        # Not applied: server-side apply refuses templates that the API takes otherwise (two env entries of a name).
        self._caches.of(resource).remember(await self._client.create(resource, rendered))

    async def _patch(self, workload: Object, operations: list[Operation]) -> None:
        if not operations:
            return
        resource, metadata = WORKLOADS[workload["kind"]], workload["metadata"]
        answer = await self._client.json_patch(
            resource, metadata["name"], metadata["namespace"], operations, field_manager=FIELD_MANAGER
        )
        self._caches.of(resource).remember(answer)
