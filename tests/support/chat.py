"""Chats for tests: servers that answer each attempt as they are told to. What each type speaks: `chat_protocols`."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

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

    def posted(self) -> Self:
        """Return the same answer of a server that took the message."""
        return replace(self, is_posted=True)


@dataclass(frozen=True)
class ChatProtocol:
    """One type of chat, as its documentation tells it.

    `path` is the path of a made-up address, and a secret. `refuse` gives None for a request that the chat takes, else
    why not. `text_of` reads what the channel would show, and `fields_of` its lines. `refused` is how it refuses a
    message for good, with what is told of that, and `limited` how it asks for a wait of 30 s. `host` is that of its
    addresses where the type looks at it; then the server is reached as a proxy.
    """

    name: str
    type: str
    path: str
    success: Answer
    refuse: Callable[[web.Request, dict[str, Any]], str | None]
    text_of: Callable[[dict[str, Any]], str]
    fields_of: Callable[[dict[str, Any]], dict[str, str]]
    refused: tuple[Answer, str]
    limited: Answer
    token: str = ""
    host: str = ""


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
        why = None if request.path == protocol.path.partition("?")[0] else "no such hook"
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
            name="AlertProvider test/on-call",
            namespace="test",
            type=protocol.type,
            address=(f"http://{protocol.host}" if protocol.host else url) + protocol.path,
            token=protocol.token,
            proxy=url if protocol.host else "",
        )
        chat = Chat(protocol, destination, list(answers))
        yield chat
