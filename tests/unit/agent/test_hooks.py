"""Hooks: the payload that goes out, and what each kind of answer means."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.providers.hooks import Hooks
from canary.judge import CheckResult, Verdict
from canary.model.hooks import CanaryWebhook
from canary.phase import Phase
from canary.state import State
from tests.support.canaries import canary
from tests.support.web import Handler, serving


async def call(handler: Handler, **fields: Any) -> CheckResult:
    async with serving(handler) as url, aiohttp.ClientSession() as session:
        hook = CanaryWebhook.model_validate({"name": "acceptance-test", "url": url} | fields)
        state = State(analysed="rev-2")
        return await Hooks(session).call(canary(), state, hook, Phase.PROGRESSING, text="pre-rollout check x")


def answering(status: int, text: str = "") -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    return handle


async def test_the_payload_is_flaggers() -> None:
    seen: list[dict[str, Any]] = []

    async def handle(request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        seen.append(await request.json())
        return web.Response()

    await call(handle, metadata={"type": "bash", "cmd": "true"})
    assert len(seen) == 1
    checksum = seen[0].pop("checksum")
    assert len(checksum) == 16
    assert seen[0] == {
        "name": "podinfo",
        "namespace": "test",
        "phase": "Progressing",
        "metadata": {"type": "bash", "cmd": "true"},
    }


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_up_to_202_is_a_yes(status: int) -> None:
    assert (await call(answering(status))).verdict is Verdict.PASS


@pytest.mark.parametrize("status", [203, 400, 403, 500])
async def test_any_other_code_is_a_no_with_the_body_as_reason(status: int) -> None:
    result = await call(answering(status, "grep found nothing"))
    assert result == CheckResult("acceptance-test", Verdict.FAIL, "pre-rollout check x failed grep found nothing")


async def test_no_answer_in_time_says_nothing_of_the_revision() -> None:
    release = asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    try:
        result = await call(handle, timeout="50ms")
    finally:
        release.set()
    assert result.verdict is Verdict.ERROR
    assert "no answer within 0.05 s" in result.text


async def test_nobody_listening_says_nothing_of_the_revision() -> None:
    async with aiohttp.ClientSession() as session:
        hook = CanaryWebhook.model_validate({"name": "x", "url": "http://127.0.0.1:1/"})
        result = await Hooks(session).call(canary(), State(), hook, Phase.PROGRESSING, text="external check x")
    assert result.verdict is Verdict.ERROR
    assert "http://127.0.0.1:1/" in result.text


async def test_a_very_long_answer_is_cut() -> None:
    result = await call(answering(500, "x" * 1_000_000))
    assert len(result.text) < 5000
