"""What is told of requests that can't be sent, and of servers that ask to wait."""

from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.providers.errors import ProviderRefused, ProviderUnavailable
from agent.providers.metrics.exchange import Exchange
from agent.providers.metrics.port import Connection
from tests.support.patience import PATIENCE_S
from tests.support.web import Handler, serving


async def ask(handler: Handler, *, user: str = "", headers: dict[str, str] | None = None, **connection: Any) -> Any:
    async with serving(handler) as url, aiohttp.ClientSession() as session:
        address = url.replace("://", f"://{user}")
        made = Connection(name="the server", address=address, timeout_s=PATIENCE_S, **connection)
        return await Exchange(session, made).ask_json("GET", "/x", headers=headers)


async def never(_: web.Request) -> web.Response:
    raise AssertionError("nothing can be sent")


@pytest.mark.parametrize(
    ("connection", "told"),
    [
        ({"headers": {"DD-API-KEY": "hunter2\nX: y"}}, "the text for header dd-api-key can't be sent"),
        ({"headers": {"DD-API-KEY": "hunter2\x00"}, "is_known": False}, "the text for a header can't be sent"),
        ({"user": "u:hunter2@", "headers": {"Authorization": "Bearer t"}}, "its address has a user, and there are"),
    ],
)
async def test_what_can_not_be_sent_is_told_without_the_secret_in_it(connection: dict[str, Any], told: str) -> None:
    with pytest.raises(ProviderRefused, match=f"^the server: {told}") as refused:
        await ask(never, **connection)
    assert "hunter2" not in str(refused.value)


async def test_the_user_of_an_address_is_sent() -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(request.headers["Authorization"])

    assert await ask(handle, user="u:p@") == "Basic dTpw"


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "30"}, 30.0),
        ({"X-RateLimit-Reset": "12"}, 12.0),
        ({"X-RateLimit-Reset": "1796000000"}, 0.0),
        ({"Retry-After": "Mon, 30 Nov 2026 20:00:00 GMT"}, 0.0),
        ({}, 0.0),
    ],
)
async def test_how_long_a_server_asks_to_wait(headers: dict[str, str], wait_s: float) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=429, headers=headers)

    with pytest.raises(ProviderUnavailable) as told:
        await ask(handle)
    assert told.value.retry_after_s == wait_s
    assert str(told.value) == "the server: HTTP 429" + (f"; it asks to wait for {wait_s:g} s" if wait_s else "")
