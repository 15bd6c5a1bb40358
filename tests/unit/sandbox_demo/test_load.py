"""The load: paced, counted from the first expected answer on, and with every failure told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox.demo.load import Target, _send, run
from sandbox.demo.moments import LoadBegan, LoadEnded, Moment, RequestFailed
from sandbox.demo.traffic import Load
from tests.support.eventually import eventually
from tests.support.ports import refused_port


@asynccontextmanager
async def answering(*statuses: int, stop: asyncio.Event) -> AsyncIterator[str]:
    """Serve these codes, one after the other, and end the load after the last one."""
    left = list(statuses)

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Host"] == "app.example.com"
        status = left.pop(0) if left else statuses[-1]
        if not left:
            stop.set()
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


def told(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_what_came_before_the_first_expected_answer_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    """One request after the other: paced ones overtake each other where the machine stands still."""
    headers = {"Host": "app.example.com"}
    async with (
        answering(503, 200, 200, 503, 200, stop=asyncio.Event()) as url,
        aiohttp.ClientSession(headers=headers) as session,
    ):
        target = Target("gateway", url, "200")
        for _ in range(5):
            await _send(session, target)
    assert target.answers == {"200": 2, "503": 1}
    begun, failed = told(capsys.readouterr().out)
    assert begun["begun"] == "gateway"
    assert (failed["failed"], failed["why"]) == ("gateway", "503")


async def test_a_url_that_never_answers_as_expected_counts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    stop = asyncio.Event()
    async with answering(200, 200, stop=stop) as url:
        target = Target("/status/500", url, "500")
        await run([target], "app.example.com", 100, stop)
    assert target.answers == {}
    assert capsys.readouterr().out == ""


async def test_no_answer_is_a_failure_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    stop = asyncio.Event()
    with refused_port() as port:
        target = Target("service", f"http://127.0.0.1:{port}/", "200", is_begun=True)
        running = asyncio.create_task(run([target], "", 100, stop))
        await eventually(lambda: target.failures, bool)
        stop.set()
        await running
    first = told(capsys.readouterr().out)[0]
    assert str(first["why"]).startswith("ClientConnectorError: Cannot connect to host")


def test_only_the_first_failures_are_told_but_all_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    target = Target("service", "", "200", is_begun=True)
    for _ in range(30):
        target.note("503", 1.0, is_counted=True)
    assert target.failures == 30
    assert len(told(capsys.readouterr().out)) == 20


def heard(load: Load, *lines: str) -> list[Moment]:
    moments: list[Moment] = []
    for line in lines:
        load.hear(line, moments.append)
    return moments


def test_what_a_load_tells_becomes_moments_and_counts() -> None:
    load = Load(50)
    answers = {"gateway": {"200": 10}, "service": {"200": 7, "TimeoutError": 1, "503": 2}}
    began, failed, ended = heard(
        load,
        '{"begun": "gateway", "at_s": 1.5}',
        '{"failed": "service", "at_s": 2.5, "took_s": 0.1, "why": "503"}',
        json.dumps({"answers": answers}),
    )
    assert began == LoadBegan(1.5, "gateway", 50)
    assert failed == RequestFailed(2.5, "service", "503", 0.1)
    assert isinstance(ended, LoadEnded)
    assert ended.answers == answers
    assert (load.requests, load.failed) == (20, 3)


def test_other_lines_of_a_load_are_kept_for_whoever_asks_why_it_has_no_counts() -> None:
    load = Load(50)
    assert heard(load, "Traceback (most recent call last):", '{"other": 1}') == []
    assert load.words == ["Traceback (most recent call last):", '{"other": 1}']
    assert load.answers == {}


def test_another_code_is_expected_of_a_load_that_is_to_break_things() -> None:
    load = Load(10, 500)
    heard(load, '{"answers": {"/status/500": {"500": 9, "200": 1}}}')
    assert (load.requests, load.failed) == (10, 1)
    command = load.command({"/status/500": "http://gateway/status/500"})
    assert command[1:] == [
        "-m",
        "sandbox.demo.load",
        "--per-second=10",
        "--host=app.example.com",
        "--expected=500",
        "/status/500=http://gateway/status/500",
    ]
