"""An API server that has Secrets and nothing else, for what reads them when it needs them."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
from aiohttp import web

from kube.backoff import Backoff
from kube.client import Client
from tests.support.web import serving
from tests.unit.kube.apiserver import write_kubeconfig

Secrets = dict[str, dict[str, str] | int]
"""`namespace/name` to data, or to the code that the API server answers with."""


@asynccontextmanager
async def serving_secrets(path: Path, secrets: Secrets) -> AsyncIterator[Client]:
    """Yield a client of an API server with these Secrets, as they are when it is asked."""

    async def handle(request: web.Request) -> web.Response:
        _, _, _, _, namespace, kind, name = request.path.split("/")
        assert (request.method, kind) == ("GET", "secrets")
        found = secrets.get(f"{namespace}/{name}", 404)
        if isinstance(found, int):
            return web.Response(status=found)
        data = {key: base64.b64encode(value.encode()).decode() for key, value in found.items()}
        return web.Response(body=orjson.dumps({"data": data}), content_type="application/json")

    async def no_sleep(_: float) -> None:
        return

    async with serving(handle) as url:
        kubeconfig = write_kubeconfig(path / "kubeconfig", url)
        connect = Client.connect(kubeconfig=kubeconfig, user_agent="serin/test", backoff=Backoff(), sleep=no_sleep)
        async with connect as client:
            yield client
