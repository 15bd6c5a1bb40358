"""Changes of a canary's target, one after the other, while something happens to the webhook."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from canary.run.mark import Mark
from canary.run.revision import revision_of
from kube.backoff import Backoff
from kube.client import Client
from kube.resource import DEPLOYMENTS
from tests.support.applying import Kubectl
from tests.support.eventually import eventually
from tests.support.rollout import canary, podinfo

_PAUSE_S = 0.02
# Longer than any call may take, so that none is repeated: a change that was refused once is to be seen.
_NEVER_AGAIN: Final = Backoff(first_s=1e9, max_s=1e9)


class Stream:
    """Changes of the image of the Deployment `app`."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self.marked: list[bool] = []
        self.slowest_s = 0.0

    async def change(self) -> bool:
        """Make one, which must succeed; tell whether it was marked."""
        image = f"stefanprodan/podinfo:4.0.{len(self.marked)}"
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": image}]}}}}
        started_s = asyncio.get_running_loop().time()
        stored = await self._client.merge_patch(DEPLOYMENTS, "app", self._namespace, patch)
        self.slowest_s = max(self.slowest_s, asyncio.get_running_loop().time() - started_s)
        mark = Mark.read(stored["metadata"].get("annotations"))
        self.marked.append(mark is not None and mark.revision == revision_of(stored["spec"]["template"]))
        return self.marked[-1]

    async def flow(self) -> None:
        """Make them until cancelled."""
        while True:
            await self.change()
            await asyncio.sleep(_PAUSE_S)

    @property
    def unmarked(self) -> str:
        """How many were not marked, of how many."""
        return f"{self.marked.count(False)} of {len(self.marked)}"


@asynccontextmanager
async def streaming(kubectl: Kubectl) -> AsyncIterator[Stream]:
    """Change the target all the time while the block lasts. Raises the KubeError of a change that is refused."""
    kubeconfig = kubectl.cluster.kubeconfig
    async with Client.connect(kubeconfig=kubeconfig, user_agent="test/1", backoff=_NEVER_AGAIN) as client:
        stream = Stream(client, kubectl.namespace)
        await eventually(stream.change, bool)
        stream.marked.clear()
        async with asyncio.TaskGroup() as group:
            flow = group.create_task(stream.flow(), name="stream of changes")
            try:
                yield stream
            finally:
                flow.cancel()


def apply_target(kubectl: Kubectl) -> None:
    """Apply a target without pods, whose canary is suspended."""
    kubectl.apply(canary("app", suspend=True))
    target = podinfo("app", replicas=0)
    target["spec"]["revisionHistoryLimit"] = 0
    kubectl.apply(target)
