"""What every chat must get right, held against a server that speaks its protocol. A new one joins PROTOCOLS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp
import pytest
from aiohttp import web

from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.message import Field, Message
from agent.providers.alerts.port import Destination
from agent.providers.alerts.registry import CHAT_FORMATS
from agent.providers.errors import ProviderError, ProviderRefused, ProviderUnavailable
from agent.providers.web.addresses import AddressRules
from agent.providers.web.sessions import open_session
from agent.providers.web.signature import signature
from kube.backoff import Backoff
from tests.support.chat import Answer, ChatProtocol, chatting
from tests.support.chat_protocols import PROTOCOLS
from tests.support.jumping_clock import jumping_clock
from tests.support.patience import AGES_S, PATIENCE_S
from tests.support.web import serving

MESSAGE = Message("podinfo.test", "error", "Failed checks threshold reached 5", (Field("Reason", "success rate 1%"),))

POSTED_BUT_LOST = Answer(200, is_posted=True, is_lost=True)


@dataclass
class Clock:
    """Time passes only while somebody sleeps."""

    now_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@asynccontextmanager
async def delivering(clock: Clock, *, timeout_s: float = PATIENCE_S) -> AsyncIterator[Delivery]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Delivery(
            session=session,
            timeout_s=timeout_s,
            connect_timeout_s=PATIENCE_S,
            backoff=Backoff(first_s=1.0, max_s=30.0, draw=lambda: 1.0),
            clock=lambda: clock.now_s,
            sleep=clock.sleep,
        )


def at(destination: Destination) -> Callable[[], Awaitable[Destination]]:
    async def find() -> Destination:
        return destination

    return find


@pytest.fixture(params=PROTOCOLS, ids=lambda protocol: protocol.name)
def protocol(request: pytest.FixtureRequest) -> ChatProtocol:
    found: ChatProtocol = request.param
    return found


def test_every_chat_that_can_be_configured_is_held_to_this() -> None:
    assert {protocol.type for protocol in PROTOCOLS} == CHAT_FORMATS.keys()


async def test_a_message_is_posted_once_and_shows_the_text(protocol: ChatProtocol) -> None:
    async with chatting(protocol) as chat, delivering(Clock()) as delivery:
        await delivery.deliver(MESSAGE, at(chat.destination))
    assert [protocol.text_of(payload) for payload in chat.posted] == [MESSAGE.text]
    assert [protocol.fields_of(payload) for payload in chat.posted] == [{"Reason": "success rate 1%"}]
    assert chat.attempts == 1


async def test_a_message_goes_through_the_proxy(protocol: ChatProtocol) -> None:
    """The chat's name is none that could be found: only a proxy can bring a message there."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.url.with_query(None)}")
        return web.Response(text="ok")

    path = protocol.path.partition("?")[0]
    address = f"http://{protocol.host or 'chat.invalid'}{path}"
    async with serving(answer) as proxy, delivering(Clock()) as delivery:
        destination = Destination(name="AlertProvider test/on-call", type=protocol.type, address=address, proxy=proxy)
        await delivery.deliver(MESSAGE, at(destination))
    assert asked == [f"POST {address}"]


async def test_only_a_webhook_is_signed_with_the_key_of_the_providers_namespace(protocol: ChatProtocol) -> None:
    signed: list[tuple[str, dict[str, str]]] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        signed.append((request.headers.get("Serin-Signature", ""), signature("key", "test", body, 1_700_000_000.0)))
        return web.Response(text="ok")

    async with serving(answer) as url, delivering(Clock()) as delivery:
        destination = Destination(name="x", namespace="test", type=protocol.type, address=url)
        await replace(delivery, key="key", now_s=lambda: 1_700_000_000.0).deliver(MESSAGE, at(destination))
    [(found, expected)] = signed
    assert found == (expected["Serin-Signature"] if protocol.type == "webhook" else "")


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_error_is_tried_again_with_growing_waits(protocol: ChatProtocol, status: int) -> None:
    clock = Clock()
    async with chatting(protocol, *[Answer(status)] * 3) as chat, delivering(clock) as delivery:
        await delivery.deliver(MESSAGE, at(chat.destination))
    assert len(chat.posted) == 1
    assert clock.slept == [1.0, 2.0, 4.0]


async def test_a_limit_on_the_rate_is_waited_out_as_asked(protocol: ChatProtocol) -> None:
    clock = Clock()
    async with (
        chatting(protocol, protocol.limited) as chat,
        delivering(clock) as delivery,
    ):
        await delivery.deliver(MESSAGE, at(chat.destination))
    assert len(chat.posted) == 1
    assert clock.slept == [30.0]


@pytest.mark.parametrize("asked", ["3600", "86400"])
async def test_a_wait_beyond_the_deadline_is_not_begun(protocol: ChatProtocol, asked: str) -> None:
    clock = Clock()
    async with chatting(protocol, Answer(429, "", {"Retry-After": asked})) as chat, delivering(clock) as delivery:
        with pytest.raises(ProviderUnavailable, match="429"):
            await delivery.deliver(MESSAGE, at(chat.destination))
    assert clock.slept == []


async def test_a_chat_that_stays_broken_is_given_up(protocol: ChatProtocol) -> None:
    clock = Clock()
    async with chatting(protocol, *[Answer(500)] * 50) as chat, delivering(clock) as delivery:
        with pytest.raises(ProviderUnavailable, match="AlertProvider test/on-call: 500"):
            await delivery.deliver(MESSAGE, at(chat.destination))
    assert chat.attempts == delivery.attempts
    assert clock.now_s <= delivery.deadline_s


async def test_a_refusal_is_final_and_told_in_the_chats_words(protocol: ChatProtocol) -> None:
    answer, told = protocol.refused
    async with chatting(protocol, answer) as chat, delivering(Clock()) as delivery:
        with pytest.raises(ProviderRefused, match=f"^AlertProvider test/on-call: {told}$"):
            await delivery.deliver(MESSAGE, at(chat.destination))
    assert (chat.attempts, chat.posted) == (1, [])


@pytest.mark.parametrize("status", [302, 400, 403, 410])
async def test_a_refusal_in_a_strangers_words_is_told_by_its_status(protocol: ChatProtocol, status: int) -> None:
    answer = Answer(status, '{"password": "hunter2", "error": "Hunter 2!"}', {"Location": "/elsewhere"})
    async with chatting(protocol, answer) as chat, delivering(Clock()) as delivery:
        with pytest.raises(ProviderRefused, match=f"^AlertProvider test/on-call: {status}$"):
            await delivery.deliver(MESSAGE, at(chat.destination))
    assert chat.attempts == 1


LONG = '<b>*[a](https://evil.example)* `@here` & \\ "' * 200


async def test_the_longest_message_is_within_what_the_chat_takes(protocol: ChatProtocol) -> None:
    """The server refuses what its documentation says it does: by length, by number, by size."""
    fields = tuple(Field(name, LONG) for name in ("Reason", "Revision", "Change", "Applied by"))
    async with chatting(protocol) as chat, delivering(Clock()) as delivery:
        await delivery.deliver(Message("podinfo.test", "error", LONG, fields), at(chat.destination))
    [payload] = chat.posted
    assert [*protocol.fields_of(payload)] == ["Reason", "Revision", "Change", "Applied by"]


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "brotli": (b"\x0b\x01\x80ok\x03", "br"),
    "zstd": (b"\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00ok", "zstd"),
    "broken gzip": (b"no gzip", "gzip"),
    "too long": (b"ok" * 4 * 2**20, ""),
}


async def test_what_a_chat_takes_is_sent_however_it_says_so(protocol: ChatProtocol) -> None:
    for body, encoding in UNREADABLE.values():
        async with answering(200, body, encoding) as (url, asked), delivering(Clock()) as delivery:
            destination = Destination(name="AlertProvider test/on-call", type=protocol.type, address=url)
            await delivery.deliver(MESSAGE, at(destination))
        assert len(asked) == 1


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (503, 6)])
async def test_a_no_that_can_not_be_read_is_told_by_its_status(
    protocol: ChatProtocol, status: int, attempts: int
) -> None:
    for body, encoding in UNREADABLE.values():
        async with answering(status, body, encoding) as (url, asked), delivering(Clock()) as delivery:
            destination = Destination(name="AlertProvider test/on-call", type=protocol.type, address=url)
            with pytest.raises(ProviderError, match=rf"^AlertProvider test/on-call: {status}$"):
                await delivery.deliver(MESSAGE, at(destination))
        assert len(asked) == attempts


@pytest.mark.parametrize("address", ["http://chat.test:99999/", "http://[::1/"])
async def test_an_address_that_is_no_url_is_told_as_that(protocol: ChatProtocol, address: str) -> None:
    async with delivering(Clock()) as delivery:
        destination = Destination(name="AlertProvider test/on-call", type=protocol.type, address=address)
        with pytest.raises(ProviderRefused, match="its address or proxy is no URL that can be asked"):
            await delivery.deliver(MESSAGE, at(destination))


async def test_a_lost_answer_never_makes_a_second_message(protocol: ChatProtocol) -> None:
    async with chatting(protocol, POSTED_BUT_LOST) as chat, delivering(Clock()) as delivery:
        with pytest.raises(ProviderError, match="it may have been posted, so it is not sent again"):
            await delivery.deliver(MESSAGE, at(chat.destination))
    assert (len(chat.posted), chat.attempts) == (1, 1)


async def test_a_late_answer_never_makes_a_second_message(protocol: ChatProtocol) -> None:
    requests: asyncio.Queue[bytes] = asyncio.Queue()
    with jumping_clock() as clock:
        async with silent_server(requests) as url, delivering(Clock(), timeout_s=AGES_S) as delivery:
            destination = Destination(name="AlertProvider test/on-call", type=protocol.type, address=url)
            sending = asyncio.create_task(delivery.deliver(MESSAGE, at(destination)))
            async with asyncio.timeout(PATIENCE_S):
                await requests.get()
            clock.jump()
            with pytest.raises(ProviderError, match=r"no answer \(TimeoutError\)"):
                async with asyncio.timeout(PATIENCE_S):
                    await sending
    assert requests.empty()


async def test_nobody_listening_is_tried_again(protocol: ChatProtocol) -> None:
    clock = Clock()
    nobody = Destination(name="AlertProvider test/on-call", type=protocol.type, address="http://127.0.0.1:1/")
    async with delivering(clock) as delivery:
        with pytest.raises(ProviderUnavailable, match="AlertProvider test/on-call: not reached"):
            await delivery.deliver(MESSAGE, at(nobody))
    assert len(clock.slept) == delivery.attempts - 1


@pytest.mark.parametrize("status", [400, 500])
async def test_no_secret_is_ever_told(protocol: ChatProtocol, status: int) -> None:
    async with chatting(protocol) as chat, delivering(Clock()) as delivery:
        secrets = (
            chat.destination.address,
            protocol.path.removeprefix("/"),
            protocol.token,
            "hook-secret",
            "sig-secret",
        )
        chat.answers += [Answer(status, f"you sent {secrets}")] * 50
        with pytest.raises(ProviderError) as told:
            await delivery.deliver(MESSAGE, at(chat.destination))
    shown = f"{told.value} {chat.destination}"
    assert f"{status}" in shown
    assert not [secret for secret in secrets if secret and secret in shown]
    assert told.value.__cause__ is None


@asynccontextmanager
async def answering(status: int, body: bytes, encoding: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer each request with these bytes; yield the address, and what it was sent."""
    asked: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.read())
        return web.Response(status=status, body=body, headers={"Content-Encoding": encoding} if encoding else {})

    async with serving(answer) as url:
        yield url, asked


@asynccontextmanager
async def silent_server(requests: asyncio.Queue[bytes]) -> AsyncIterator[str]:
    """Take requests, tell the head of each, and never answer."""
    release = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        await release.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        release.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("namespace", ["", "test"])
async def test_what_a_tenant_names_goes_over_the_session_that_refuses_the_inside(namespace: str) -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="ok")

    rules = AddressRules.read((), api_server="https://10.0.0.1", proxies=())
    async with serving(handle) as url, open_session(rules, is_kept=False) as users, open_session() as own:
        delivery = Delivery(session=users, own_session=own, timeout_s=PATIENCE_S)
        destination = Destination(name="chat", namespace=namespace, type="slack", address=f"{url}/hook")
        if namespace:
            with pytest.raises(ProviderRefused, match="allowed: an address that is none of loopback"):
                await delivery.deliver(MESSAGE, at(destination))
        else:
            await delivery.deliver(MESSAGE, at(destination))
    assert asked == ([] if namespace else ["/hook"])
