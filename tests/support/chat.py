"""Chats for tests: servers that speak the documented protocol of a chat, with an answer for each attempt."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from agent.providers.alerts.port import Destination
from tests.support.web import serving


@dataclass(frozen=True)
class Answer:
    """What a chat's server says. `is_posted`: the message stands in the channel all the same."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    is_posted: bool = False
    is_lost: bool = False


@dataclass(frozen=True)
class ChatProtocol:
    """One type of chat, as its documentation tells it.

    `path` is the path of a made-up address, and a secret. `refuse` gives None for a request that the chat takes, else
    why not. `text_of` and `fields_of` read what the channel would show.
    """

    type: str
    path: str
    success: Answer
    refuse: Callable[[web.Request, dict[str, Any]], str | None]
    text_of: Callable[[dict[str, Any]], str]
    token: str = ""


@dataclass
class Chat:
    """A running server; `posted` are the messages in the channel, `attempts` counts requests."""

    protocol: ChatProtocol
    destination: Destination
    answers: list[Answer]
    posted: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0


@asynccontextmanager
async def chatting(protocol: ChatProtocol, *answers: Answer) -> AsyncIterator[Chat]:
    """Serve a chat; the first attempts get `answers`, every later one succeeds."""
    chat: Chat

    async def handle(request: web.Request) -> web.StreamResponse:
        chat.attempts += 1
        payload = json.loads(await request.read())
        answer = chat.answers.pop(0) if chat.answers else protocol.success
        why = None if request.path == protocol.path else "no such hook"
        why = why or protocol.refuse(request, payload)
        if why is not None:
            answer = Answer(400, why)
        if answer.is_posted:
            chat.posted.append(payload)
        if answer.is_lost:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=answer.status, text=answer.body, headers=answer.headers)

    async with serving(handle) as url:
        destination = Destination(
            name="AlertProvider test/on-call", type=protocol.type, address=url + protocol.path, token=protocol.token
        )
        chat = Chat(protocol, destination, list(answers))
        yield chat


def _refuse_slack(request: web.Request, payload: dict[str, Any], *, token: str) -> str | None:
    """Source: Slack's documentation of incoming hooks and of chat.postMessage."""
    if request.content_type != "application/json":
        return "invalid_payload"
    if not (payload.get("text") or payload.get("attachments") or payload.get("blocks")):
        return "no_text"
    if token and request.headers.get("Authorization") != f"Bearer {token}":
        return "not_authed"
    return None


def _slack_text(payload: dict[str, Any]) -> str:
    text: str = payload["attachments"][0]["text"]
    return text


SLACK_HOOK = ChatProtocol(
    type="slack",
    path="/services/T0001/B0001/hook-secret",
    success=Answer(200, "ok", is_posted=True),
    refuse=lambda request, payload: _refuse_slack(request, payload, token=""),
    text_of=_slack_text,
)
SLACK_BOT = ChatProtocol(
    type="slack",
    path="/api/chat.postMessage",
    success=Answer(200, '{"ok": true, "channel": "C1", "ts": "1.2"}', is_posted=True),
    refuse=lambda request, payload: _refuse_slack(request, payload, token="xoxb-token-secret"),
    text_of=_slack_text,
    token="xoxb-token-secret",
)
PROTOCOLS: Sequence[ChatProtocol] = (SLACK_HOOK, SLACK_BOT)
