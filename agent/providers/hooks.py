"""Hooks: services that are called in the course of a run.

Source of payload, codes and retries: Flagger 1.44, `pkg/controller/webhook.go`, and the retrying client that it uses.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
import orjson

from agent.providers.web.addresses import AddressRefused
from agent.providers.web.answers import AS_IT_IS, hint_of, is_refused, reason_of
from agent.providers.web.shares import Shares, ShareUsedUp
from agent.providers.web.signature import signature
from canary.api.bounds import MOST_HOOK_ANSWER_BYTES, MOST_HOOK_RETRIES, MOST_HOOK_TIMEOUT_S
from canary.api.canary import Canary
from canary.api.hooks import CanaryWebhook
from canary.api.shown import shown, shown_url
from canary.rules.urls import shown_address
from canary.run.judge import CheckResult, Verdict
from canary.run.phase import Phase
from canary.run.revision import content_hash
from kube.backoff import Backoff

_log = logging.getLogger(__name__)

_LONGEST_WAIT_S: Final = 30.0
_MOST_WAIT_CHARS: Final = 10

# Calls for events and rollback hooks have connections of their own: a receiver of events that hangs, or a load test of
# an hour, must hold up neither gates nor what pulls the traffic.
_OTHERS: Final = ""
_APART: Final = ("event", "rollback")

_FINAL_ERRORS: Final = (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError, AddressRefused)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: `status` is the HTTP code, None where there was none.

    `text` is the code with what the service wants to be shown, see HINT_HEADER, or why there was no answer; never its
    body, for a hook's address may be anybody's. `is_final`: another try would bring nothing else.
    `retry_after_s` is the wait that the service asked for (0: none).
    """

    status: int | None
    text: str
    is_final: bool
    retry_after_s: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Return PASS up to 202 and FAIL above; nothing is known without an answer, nor from one that is elsewhere."""
        if self.status is None or HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST:
            return Verdict.ERROR
        return Verdict.PASS if self.status <= HTTPStatus.ACCEPTED else Verdict.FAIL


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Calls hooks over one session, each call signed where there is a `key`: see `agent.providers.web.signature`.

    `observe` is told of each try: the hook's type, what it came to, and the seconds that it took.

    A namespace has a share of connections for its rollback hooks, one for its event hooks, and one for all others.

    The session must not keep connections: a call that meets one at the moment of its end would have no answer.
    """

    session: aiohttp.ClientSession
    key: str = field(default="", repr=False)
    now_s: Callable[[], float] = time.time
    shares: Mapping[str, Shares] = field(default_factory=lambda: {kind: Shares() for kind in (_OTHERS, *_APART)})
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, max_s=_LONGEST_WAIT_S))
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    observe: Callable[[str, Verdict, float], None] = lambda *_: None

    async def ask(
        self, canary: Canary, hook: CanaryWebhook, *, phase: Phase | None, revision: str, text: str
    ) -> CheckResult:
        """Call a hook about a revision and judge the answer.

        `text` leads the result's sentence, such as `pre-rollout check acceptance-test`.
        """
        answer = await self.post(hook, payload(canary, hook.metadata, phase=str(phase or ""), revision=revision))
        said = "passed" if answer.verdict is Verdict.PASS else f"failed {answer.text}"
        return CheckResult(hook.name, answer.verdict, f"{text} {said}")

    async def post(self, hook: CanaryWebhook, body: Mapping[str, object]) -> Answer:
        """Send a body by POST; again, up to the hook's own `retries`, as long as another try may help."""
        answer = await self._post_once(hook, body)
        for attempt in range(1, min(hook.retries, MOST_HOOK_RETRIES) + 1):
            if answer.is_final:
                break
            await self.sleep(max(self.backoff.delay_s(attempt), min(answer.retry_after_s, _LONGEST_WAIT_S)))
            answer = await self._post_once(hook, body)
        return answer

    async def _post_once(self, hook: CanaryWebhook, body: Mapping[str, object]) -> Answer:
        started_at_s = time.monotonic()
        answer = await self._answer_to(hook, body)
        self.observe(hook.type_effective, answer.verdict, time.monotonic() - started_at_s)
        return answer

    async def _answer_to(self, hook: CanaryWebhook, body: Mapping[str, object]) -> Answer:
        namespace, timeout_s = str(body.get("namespace", "")), min(hook.timeout_s, MOST_HOOK_TIMEOUT_S)
        where = shown_url(hook.url)
        try:
            async with self._shares_of(hook).of(namespace, timeout_s):
                return await self._exchange(hook, body, timeout_s)
        except ShareUsedUp as error:
            return Answer(None, f"{where} was not asked: {error}", is_final=False)
        except TimeoutError:
            return Answer(None, f"{where} gave no answer within {timeout_s:g} s", is_final=False)
        except (aiohttp.ClientError, AddressRefused, ValueError) as error:
            is_final = isinstance(error, _FINAL_ERRORS) or is_refused(error)
            return Answer(None, f"{where} gave no answer: {reason_of(error)}", is_final=is_final)
        except Exception as error:  # noqa: BLE001  what no call can do right is no answer, whatever it is
            _log.exception("hook %s: call failed", hook.name)
            return Answer(None, f"{where} gave no answer ({type(error).__name__})", is_final=True)

    def _shares_of(self, hook: CanaryWebhook) -> Shares:
        return self.shares.get(hook.type_effective) or self.shares[_OTHERS]

    async def _exchange(self, hook: CanaryWebhook, body: Mapping[str, object], timeout_s: float) -> Answer:
        data = orjson.dumps(body)
        signed = signature(self.key, str(body.get("namespace", "")), data, self.now_s())
        async with self.session.post(
            hook.url,
            data=data,
            headers={"Content-Type": "application/json", **AS_IT_IS, **signed},
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            ssl=not hook.disable_tls,
            # The page of a login would say yes, with 200, to everything.
            allow_redirects=False,
            auto_decompress=False,
        ) as response:
            await _see_arrive(response)
            return _read(response)


def payload(canary: Canary, metadata: Mapping[str, str], *, phase: str, revision: str) -> dict[str, object]:
    """Return the body of a call. A revision has the tracked configurations in it, and so has `checksum`."""
    body: dict[str, object] = {
        "name": canary.name,
        "namespace": canary.namespace,
        "phase": phase,
        "checksum": content_hash({"lastAppliedSpec": revision}),
    }
    return body | ({"metadata": dict(metadata)} if metadata else {})


def _read(response: aiohttp.ClientResponse) -> Answer:
    status = response.status
    may_change = status == HTTPStatus.TOO_MANY_REQUESTS or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    )
    # Seconds; a date, which RFC 9110 allows too, counts as none.
    asked = response.headers.get("Retry-After", "")[:_MOST_WAIT_CHARS]
    return Answer(
        status,
        _text_of(response),
        is_final=not may_change,
        retry_after_s=float(asked) if asked.isdecimal() else 0.0,
    )


def _text_of(response: aiohttp.ClientResponse) -> str:
    text, location = f"HTTP {response.status}", response.headers.get("Location", "")
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST and location:
        return f"{text}: it is redirected to {shown_address(shown(location))}, and redirects are not followed"
    hint = hint_of(response)
    return f"{text}: {hint}" if hint else text


async def _see_arrive(response: aiohttp.ClientResponse) -> None:
    """Wait for the body of a yes, up to its bound; a no is one whatever becomes of its body.

    Raises:
        TimeoutError, aiohttp.ClientError: the body of a yes did not arrive.
    """
    if response.status > HTTPStatus.ACCEPTED:
        return
    left = MOST_HOOK_ANSWER_BYTES
    async for chunk in response.content.iter_any():
        left -= len(chunk)
        if left < 0:
            return
