"""All images set at once, by a few clients, each with a connection of its own and one request at a time."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.scale.objects import NAMESPACE
from kube.client import Client
from kube.resource import DEPLOYMENTS

_CLIENTS: Final = 4
_IMAGE: Final = "/spec/template/spec/containers/0/image"


async def set_images(client: Client, names: Sequence[str], image: str) -> dict[str, float]:
    """Set the image of all Deployments; return the moment at which each was answered, by time.monotonic()."""
    set_at_s: dict[str, float] = {}
    left = iter(names)

    async def set_some() -> None:
        for name in left:
            await client.json_patch(DEPLOYMENTS, name, NAMESPACE, [{"op": "replace", "path": _IMAGE, "value": image}])
            set_at_s[name] = time.monotonic()

    async with asyncio.TaskGroup() as clients:
        for _ in range(_CLIENTS):
            clients.create_task(set_some())
    return set_at_s
