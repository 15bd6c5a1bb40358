"""Hooks over TLS: a certificate that nobody vouches for is refused, unless the hook says `disableTLS`."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from agent.providers.hooks import Answer, Hooks
from canary.api.hooks import CanaryWebhook
from canary.run.judge import Verdict
from sandbox import pki
from tests.support.web import serving


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """A service whose authority is its own."""
    made = pki.create(tmp_path / "pki", addresses=("127.0.0.1",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server_cert, made.server_key)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="Approved")

    async with serving(answer, ssl_context=context) as base:
        yield base


async def post(url: str, **fields: object) -> Answer:
    async with aiohttp.ClientSession() as session:
        hook = CanaryWebhook.model_validate({"name": "gate", "url": url} | fields)
        return await Hooks(session=session, sleep=never).post(hook, {})


async def never(_: float) -> None:
    raise AssertionError("a certificate does not get better by waiting")


async def test_an_unknown_authority_is_no_answer_and_not_tried_again(url: str) -> None:
    answer = await post(url, retries=3)
    assert answer.verdict is Verdict.ERROR
    assert "its certificate is not valid: " in answer.text


async def test_disable_tls_verifies_nothing(url: str) -> None:
    assert (await post(url, disableTLS=True)).verdict is Verdict.PASS
