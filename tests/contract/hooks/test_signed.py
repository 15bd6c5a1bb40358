"""The agent's calls are signed, and the load tester takes them and nobody else's where it has a key."""

import hashlib
import hmac
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.providers.hooks import Hooks
from canary.api.hooks import CanaryWebhook
from canary.run.judge import CheckResult, Verdict
from loadtester.server import build_app, serving
from loadtester.signature import Keys, namespace_key
from tests.support import web as servers
from tests.support.canaries import canary

MASTER = "of the agent"
OF_TEST = hmac.new(MASTER.encode(), b"test", hashlib.sha256).hexdigest()
NOW_S = 1_800_000_000.0


@asynccontextmanager
async def loadtester(keys: Keys, namespaces: str = "") -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = build_app(timeout_s=60.0, namespace_pattern=re.compile(namespaces), keys=keys)
    async with serving(app, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def call(url: str, key: str, *, at_s: float = NOW_S, **metadata: str) -> CheckResult:
    """Let the agent call a hook for the canary podinfo in the namespace test."""
    async with aiohttp.ClientSession() as session:
        hooks = Hooks(session=session, key=key, now_s=lambda: at_s)
        hook = CanaryWebhook.model_validate({"name": "gate", "url": url, "metadata": metadata})
        return await hooks.ask(canary(), hook, phase=None, revision="rev-2", text="gate")


def keys(**found: str) -> Keys:
    return Keys(**found, now_s=lambda: NOW_S)


@pytest.mark.parametrize("found", [{"own": OF_TEST}, {"agents": MASTER}, {}])
@pytest.mark.parametrize("at_s", [NOW_S - 299, NOW_S + 299])
async def test_the_agents_call_is_taken(tmp_path: Path, found: dict[str, str], at_s: float) -> None:
    async with loadtester(keys(**found)) as url:
        result = await call(url, MASTER, at_s=at_s, type="bash", cmd=f"touch {tmp_path / 'ran'}")
    assert (result.verdict, (tmp_path / "ran").exists()) == (Verdict.PASS, True)


@pytest.mark.parametrize(
    ("found", "key", "at_s"),
    [
        ({"own": OF_TEST}, "", NOW_S),
        ({"agents": MASTER}, "", NOW_S),
        ({"own": OF_TEST}, "another", NOW_S),
        ({"own": namespace_key(MASTER, "shop")}, MASTER, NOW_S),
        ({"own": OF_TEST}, OF_TEST, NOW_S),
        ({"own": OF_TEST}, MASTER, NOW_S - 301),
        ({"own": OF_TEST}, MASTER, NOW_S + 301),
    ],
)
async def test_what_is_not_signed_for_its_namespace_and_now_runs_nothing(
    tmp_path: Path, found: dict[str, str], key: str, at_s: float
) -> None:
    async with loadtester(keys(**found)) as url:
        result = await call(url, key, at_s=at_s, type="bash", cmd=f"touch {tmp_path / 'ran'}")
    assert (result.verdict, (tmp_path / "ran").exists()) == (Verdict.FAIL, False)
    assert "HTTP 401: Serin-Signature: found none that is valid for namespace 'test'" in result.text


async def heard(key: str, *, cmd: str = "true") -> tuple[bytes, dict[str, str]]:
    """Return what a tenant's own hook service is sent: the body, and the headers that are ours."""
    calls: list[tuple[bytes, dict[str, str]]] = []

    async def listen(request: web.Request) -> web.Response:
        ours = {name: value for name, value in request.headers.items() if name.startswith("Serin-")}
        calls.append((await request.read(), ours))
        return web.Response()

    async with servers.serving(listen) as url:
        await call(url, key, type="bash", cmd=cmd)
    return calls[0]


async def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status


async def test_a_tenant_who_hears_the_agents_calls_can_make_no_other_of_them(tmp_path: Path) -> None:
    body, headers = await heard(MASTER, cmd=f"touch {tmp_path / 'ran'}")
    assert MASTER not in str(headers)
    assert OF_TEST not in str(headers)
    async with loadtester(keys(agents=MASTER), "^shop$") as url:
        assert await post(url, body.replace(b'"test"', b'"shop"'), headers) == 401, "another namespace's name in it"
        assert await post(url, body, headers) == 403, "a namespace that --namespace-regexp does not match"
        assert await post(f"{url}/gate/open", body.replace(b'"test"', b'"shop"'), headers) == 401
    assert not (tmp_path / "ran").exists()


async def test_people_open_gates_with_their_namespaces_key() -> None:
    mine: dict[str, Any] = {"name": "podinfo", "namespace": "test"}
    async with loadtester(keys(own=OF_TEST)) as url, aiohttp.ClientSession() as session:

        async def ask(path: str, key: str) -> int:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            async with session.post(url + path, json=mine, headers=headers) as response:
                return response.status

        assert [await ask("/gate/open", key) for key in ("", "x", MASTER)] == [401, 401, 401]
        assert [await ask(f"/gate/{verb}", OF_TEST) for verb in ("check", "open", "check")] == [403, 202, 200]
        assert (await call(f"{url}/gate/check", MASTER)).verdict is Verdict.PASS


async def test_without_a_key_nothing_is_signed() -> None:
    assert (await heard(""))[1] == {}
