"""An agent that reads the ConfigMaps and Secrets of targets one by one, from a server that says what a test wants."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.caches import Caches
from agent.configs import target_revision
from agent.tracking.referenced import Referenced
from canary.api.canary import Canary
from kube.client import Client
from tests.unit.agent.config_api import CANARY, target
from tests.unit.kube.apiserver import Answer, ApiServer, ManualTime, client_of, no, ok, running_api_server

PATH = "/api/v1/namespaces/test"
CONF_PATH, KEYS_PATH, EXTRA_PATH = f"{PATH}/configmaps/conf", f"{PATH}/secrets/keys", f"{PATH}/configmaps/extra"


def config(kind: str, name: str, value: str = "1", version: str = "1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "test", "resourceVersion": version, "uid": name}
    return {"kind": kind, "metadata": metadata, "data": {"a": value}} | ({"type": "Opaque"} if kind == "Secret" else {})


@dataclass
class Reader:
    """An agent that reads what targets refer to; `answers` is what the API server says for each path, else 404."""

    server: ApiServer
    client: Client
    time: ManualTime
    caches: Caches
    tracking: Referenced
    answers: dict[str, Answer]

    def asked(self) -> list[str]:
        """Return the verb and the path of what was asked since the last time, sorted."""
        found = sorted(f"{request.method} {request.path}" for request in self.server.seen)
        self.server.seen.clear()
        return found

    async def refresh(self, after_s: float = 0.0, template_image: str = "") -> None:
        self.time.now_s += after_s
        obj = target()
        if template_image:
            obj["spec"]["template"]["spec"]["containers"][0]["image"] = template_image
        await self.tracking.refresh(CANARY, obj, self.caches.primary(CANARY))

    def tracked(self) -> set[str]:
        return set(target_revision(CANARY, target(), self.caches)[1])


@asynccontextmanager
async def running_reader(folder: Path) -> AsyncIterator[Reader]:
    """Run such an agent for a target whose ConfigMap and Secret are there; what it may have besides is not."""
    time = ManualTime()
    answers = {CONF_PATH: ok(config("ConfigMap", "conf")), KEYS_PATH: ok(config("Secret", "keys"))}

    async def answer(request: Any) -> Any:
        return await answers.get(request.path, no(404, "NotFound"))(request)

    async with running_api_server(folder) as server, client_of(server, time) as client:
        server.otherwise = answer
        caches = Caches(client, "")
        caches.tracking = tracking = Referenced(client, every_s=60.0, clock=time.clock)
        yield Reader(server, client, time, caches, tracking, answers)


ALL = [f"GET {CONF_PATH}", f"GET {EXTRA_PATH}", f"GET {KEYS_PATH}"]


def renamed(**names: str) -> Canary:
    """Return the canary in another namespace, or under another name."""
    return CANARY.model_copy(update={"metadata": CANARY.metadata.model_copy(update=names)})
