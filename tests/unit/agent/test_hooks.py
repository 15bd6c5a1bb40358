"""Hooks: the payload that goes out, what each kind of answer means, and when a call is made again."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agent.providers.hooks import Hooks, payload
from canary.api.hooks import CanaryWebhook
from canary.run.judge import CheckResult, Verdict
from canary.run.phase import Phase
from kube.backoff import Backoff
from tests.support.canaries import canary
from tests.support.patience import AGES_S, PATIENCE_S
from tests.support.web import Handler, serving


@dataclass
class Service:
    """Answers with the given codes, one after the other, then with 200; keeps the bodies that it got."""

    codes: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        self.bodies.append(await request.json())
        return web.Response(status=self.codes.pop(0) if self.codes else 200, headers=self.headers, text="so it is")


async def ask(handler: Handler, *, waited_s: list[float] | None = None, **fields: Any) -> CheckResult:
    waits = [] if waited_s is None else waited_s

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with serving(handler) as url, aiohttp.ClientSession() as session:
        hooks = Hooks(session=session, backoff=Backoff(first_s=1.0, max_s=30.0, draw=lambda: 1.0), sleep=sleep)
        hook = CanaryWebhook.model_validate({"name": "acceptance-test", "url": url} | fields)
        return await hooks.ask(canary(), hook, phase=Phase.PROGRESSING, revision="rev-2", text="pre-rollout check x")


async def test_the_payload_is_flaggers() -> None:
    service = Service()
    await ask(service.answer, metadata={"type": "bash", "cmd": "true"})
    (body,) = service.bodies
    assert len(str(body.pop("checksum"))) == 16
    assert body == {
        "name": "podinfo",
        "namespace": "test",
        "phase": "Progressing",
        "metadata": {"type": "bash", "cmd": "true"},
    }


def test_without_metadata_the_payload_has_none() -> None:
    assert payload(canary(), {}, phase=Phase.WAITING, revision="rev-2").keys() == {
        "name",
        "namespace",
        "phase",
        "checksum",
    }


def test_the_checksum_tells_revisions_apart() -> None:
    first, again, other = (
        payload(canary(), {}, phase=Phase.PROGRESSING, revision=revision)["checksum"]
        for revision in ("template-configs", "template-configs", "template-others")
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_up_to_202_is_a_yes(status: int) -> None:
    result = await ask(Service([status]).answer)
    assert result == CheckResult("acceptance-test", Verdict.PASS, "pre-rollout check x passed")


@pytest.mark.parametrize("status", [203, 400, 403, 500])
async def test_any_other_code_is_a_no_with_the_services_hint_as_reason(status: int) -> None:
    result = await ask(Service([status], {"Serin-Hint": "not\tbefore noon " + "x" * 300}).answer)
    reason = f"HTTP {status}: not before noon " + "x" * 183 + "…"
    assert result == CheckResult("acceptance-test", Verdict.FAIL, f"pre-rollout check x failed {reason}")


async def test_nothing_of_an_answers_body_is_told() -> None:
    """A hook's address may be that of anything that the agent can reach and the Canary's author can't."""
    assert (await ask(Service([403]).answer)).text == "pre-rollout check x failed HTTP 403"


async def test_a_gate_behind_a_login_page_says_neither_yes_nor_no() -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        location = str(request.url.with_path("/login").with_user("ci").with_password("hunter2"))
        return web.Response(status=302, headers={"Location": location}) if request.path == "/" else web.Response()

    result = await ask(answer, retries=2)
    assert (result.verdict, asked) == (Verdict.ERROR, ["/"])
    assert result.text.startswith("pre-rollout check x failed HTTP 302: it is redirected to http://")
    assert result.text.endswith("/…, and redirects are not followed")
    assert "login" not in result.text
    assert "hunter2" not in result.text


@pytest.mark.parametrize("status", [301, 303, 304, 307, 308])
async def test_what_is_elsewhere_is_no_answer(status: int) -> None:
    assert (await ask(Service([status]).answer)).verdict is Verdict.ERROR


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "http://[::1"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://" + "a" * 70 + ".test/"},
        {"url": "http://xn--\udcff.test/"},
        {"metadata": {"text": "\udcff"}},
    ],
)
async def test_a_call_that_can_not_be_made_is_no_answer(fields: dict[str, Any]) -> None:
    hook = CanaryWebhook(name="x", url="http://127.0.0.1:1/").model_copy(update=fields)
    async with aiohttp.ClientSession() as session:
        asked = Hooks(session=session).ask(canary(), hook, phase=None, revision="rev-2", text="external check x")
        result = await asked
    assert result.verdict is Verdict.ERROR
    assert result.text.startswith("external check x failed ")


async def test_a_refusal_without_a_body_is_reported_by_its_code() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=403)

    assert (await ask(answer)).text == "pre-rollout check x failed HTTP 403"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_in_trouble_is_called_again_with_growing_waits(status: int) -> None:
    service, waited_s = Service([status] * 3), list[float]()
    assert (await ask(service.answer, waited_s=waited_s, retries=3)).verdict is Verdict.PASS
    assert waited_s == [1, 2, 4]


@pytest.mark.parametrize("status", [203, 400, 403, 501])
async def test_a_refusal_is_final(status: int) -> None:
    service = Service([status])
    assert (await ask(service.answer, retries=5)).verdict is Verdict.FAIL
    assert len(service.bodies) == 1


async def test_the_last_answer_counts_when_the_retries_are_used_up() -> None:
    service = Service([500, 503, 500])
    assert (await ask(service.answer, retries=2)).verdict is Verdict.FAIL
    assert len(service.bodies) == 3


@pytest.mark.parametrize(("asked", "waits_s"), [("7", 7), ("3600", 30), ("Fri, 31 Dec 1999 23:59:59 GMT", 1)])
async def test_the_wait_that_a_service_asks_for_is_kept_within_reason(asked: str, waits_s: float) -> None:
    service, waited_s = Service([429], {"Retry-After": asked}), list[float]()
    await ask(service.answer, waited_s=waited_s, retries=1)
    assert waited_s == [waits_s]


async def test_what_may_be_secret_in_an_address_is_not_shown() -> None:
    async with aiohttp.ClientSession() as session:
        hook = CanaryWebhook.model_validate({"name": "x", "url": "http://ci:hunter2@127.0.0.1:1/gate?token=s3cret"})
        answer = await Hooks(session=session).post(hook, {})
    assert answer.text.startswith("http://127.0.0.1:1/gate gave no answer: it can't be reached")
    assert "hunter2" not in answer.text
    assert "s3cret" not in answer.text


async def test_retries_beyond_their_bound_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of objects that were stored before there were bounds."""
    monkeypatch.setattr("agent.providers.hooks.MOST_HOOK_RETRIES", 3)
    service = Service([500] * 100)
    hook = CanaryWebhook(name="x", url="http://replaced/").model_copy(update={"retries": 10**9})
    async with serving(service.answer) as url, aiohttp.ClientSession() as session:
        asked = Hooks(session=session, sleep=no_time).post(hook.model_copy(update={"url": url}), {})
        assert (await asked).status == 500
    assert len(service.bodies) == 4


@pytest.mark.parametrize(
    ("hanging", "asked"),
    [
        ("event", "confirm-promotion"),
        ("event", "rollback"),
        ("pre-rollout", "rollback"),
        ("rollout", "event"),
        ("rollback", "confirm-rollout"),
    ],
)
async def test_hooks_that_hang_take_no_connection_of_another_purpose(hanging: str, asked: str) -> None:
    """A namespace may have 32 calls under way, and here are 33 that hang."""
    release, all_in = asyncio.Event(), asyncio.Event()
    arrived: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        arrived.append(request.path)
        if request.path == "/hangs":
            if arrived.count("/hangs") == 32:
                all_in.set()
            await release.wait()
        return web.Response()

    def hook(kind: str, path: str) -> CanaryWebhook:
        return CanaryWebhook.model_validate({"name": "x", "type": kind, "url": url + path, "timeout": f"{AGES_S:g}s"})

    body = {"namespace": "test"}
    async with serving(answer) as url, aiohttp.ClientSession() as session:
        hooks = Hooks(session=session)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            calls = [group.create_task(hooks.post(hook(hanging, "/hangs"), body), name="hanging") for _ in range(33)]
            await all_in.wait()
            assert (await hooks.post(hook(asked, "/quick"), body)).verdict is Verdict.PASS
            assert arrived.count("/hangs") == 32
            release.set()
    assert [call.result().verdict for call in calls] == [Verdict.PASS] * 33


async def no_time(_: float) -> None:
    """Return at once."""
