"""The load: counted from the first expected answer on, and with every failure noted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox.demo.load import Load
from tests.support.eventually import eventually
from tests.support.ports import refused_port

Notes = list[tuple[str, str]]


@asynccontextmanager
async def answering(*statuses: int) -> AsyncIterator[str]:
    """Serve these codes, one after the other, and the last one from then on."""
    left = list(statuses)

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Host"] == "app.example.com"
        return web.Response(status=left.pop(0) if len(left) > 1 else left[0])

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def load_on(url: str, notes: Notes, *, expected: int = 200) -> Load:
    return Load(url, per_second=100, expected=expected, note=lambda kind, text: notes.append((kind, text)))


async def test_what_came_before_the_first_expected_answer_does_not_count() -> None:
    """One request after the other: paced ones overtake each other where the machine stands still."""
    notes: Notes = []
    headers = {"Host": "app.example.com"}
    async with answering(503, 200, 200, 503, 200) as url, aiohttp.ClientSession(headers=headers) as session:
        load = load_on(url, notes)
        for _ in range(5):
            await load.send(session)
    assert load.answers == {"200": 2, "503": 1}
    begun, failed = notes
    assert begun == ("load", f"{url} answers 200: 100 requests a second from here on")
    assert failed[0] == "failed"
    assert failed[1].startswith(f"{url} after 0.")
    assert failed[1].endswith(" s: 503")


async def test_requests_are_sent_during_the_block_and_those_under_way_are_waited_for() -> None:
    notes: Notes = []
    async with answering(200) as url:
        load = load_on(url, notes)
        async with load.running():
            await eventually(load.answers.total, lambda count: count > 3)
    assert set(load.answers) == {"200"}
    assert [kind for kind, _ in notes] == ["load"]


async def test_an_error_of_the_block_is_raised_as_it_is() -> None:
    async with answering(200) as url:
        with pytest.raises(LookupError):
            async with load_on(url, []).running():
                raise LookupError


async def test_a_url_that_never_answers_as_expected_counts_nothing() -> None:
    notes: Notes = []
    async with answering(200) as url, aiohttp.ClientSession(headers={"Host": "app.example.com"}) as session:
        load = load_on(url, notes, expected=500)
        await load.send(session)
    assert load.answers == {}
    assert notes == []


async def test_no_answer_is_a_failure_with_its_reason() -> None:
    notes: Notes = []
    with refused_port() as port:
        async with aiohttp.ClientSession() as session:
            load = load_on(f"http://127.0.0.1:{port}/", notes)
            load._has_begun = True
            await load.send(session)
    assert "ClientConnectorError: Cannot connect to host" in notes[0][1]
