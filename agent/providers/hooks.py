"""Hooks: services that are called in the course of a run.

Source of payload, codes and retries: Flagger 1.44, `pkg/controller/webhook.go`, and the retrying client that it uses.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import orjson

from canary.api.canary import Canary
from canary.api.hooks import CanaryWebhook
from canary.run.judge import CheckResult, Verdict
from canary.run.phase import Phase
from canary.run.revision import content_hash
from kube.backoff import Backoff

_log = logging.getLogger(__name__)

_ANSWER_LIMIT_BYTES: Final = 1024
_LONGEST_WAIT_S: Final = 30.0
_FINAL_ERRORS: Final = (aiohttp.InvalidURL, aiohttp.ClientConnectorCertificateError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: `status` is the HTTP code, None where there was none.

    `text` is the beginning of the body, or why there was no answer. `is_final`: another try would bring nothing else.
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
    """Calls hooks over one session.

    The session must not keep connections: a call that meets one at the moment of its end would have no answer.
    """

    session: aiohttp.ClientSession
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, max_s=_LONGEST_WAIT_S))
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

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
        for attempt in range(1, hook.retries + 1):
            if answer.is_final:
                break
            await self.sleep(max(self.backoff.delay_s(attempt), min(answer.retry_after_s, _LONGEST_WAIT_S)))
            answer = await self._post_once(hook, body)
        return answer

    async def _post_once(self, hook: CanaryWebhook, body: Mapping[str, object]) -> Answer:
        try:
            async with self.session.post(
                hook.url,
                data=orjson.dumps(body),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=hook.timeout_s),
                ssl=not hook.disable_tls,
                # The page of a login would say yes, with 200, to everything.
                allow_redirects=False,
            ) as response:
                return _read(response, await _beginning_of_body(response))
        except TimeoutError:
            return Answer(None, f"{_shown(hook.url)} gave no answer within {hook.timeout_s:g} s", is_final=False)
        except (aiohttp.ClientError, ValueError) as error:
            why = f"{_shown(hook.url)} {type(error).__name__}: {error}"
            return Answer(None, why, is_final=isinstance(error, _FINAL_ERRORS))
        except Exception as error:  # noqa: BLE001  what no call can do right is no answer, whatever it is
            _log.exception("hook %s: call failed", hook.name)
            return Answer(None, f"{_shown(hook.url)} {type(error).__name__}: {error}", is_final=True)


def payload(canary: Canary, metadata: Mapping[str, str], *, phase: str, revision: str) -> dict[str, object]:
    """Return the body of a call. A revision has the tracked configurations in it, and so has `checksum`."""
    body: dict[str, object] = {
        "name": canary.name,
        "namespace": canary.namespace,
        "phase": phase,
        "checksum": content_hash({"lastAppliedSpec": revision}),
    }
    return body | ({"metadata": dict(metadata)} if metadata else {})


def _shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password and query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "its url"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _read(response: aiohttp.ClientResponse, body: bytes) -> Answer:
    status = response.status
    may_change = status == HTTPStatus.TOO_MANY_REQUESTS or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    )
    # Seconds; a date, which RFC 9110 allows too, counts as none.
    asked = response.headers.get("Retry-After", "")
    location = response.headers.get("Location", "")
    return Answer(
        status,
        f"HTTP {status}: it is redirected to {_shown(location)}, and redirects are not followed"
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST and location
        else body.decode(errors="replace").strip() or f"HTTP {status}",
        is_final=not may_change,
        retry_after_s=float(asked) if asked.isdecimal() else 0.0,
    )


async def _beginning_of_body(response: aiohttp.ClientResponse) -> bytes:
    """Read as much of a body as is shown. A yes is one when its body has arrived, a no is one whatever becomes of it.

    Raises:
        TimeoutError, aiohttp.ClientError: the body of a yes did not arrive.
    """
    try:
        return await response.content.readexactly(_ANSWER_LIMIT_BYTES)
    except asyncio.IncompleteReadError as error:
        return error.partial
    except (TimeoutError, aiohttp.ClientError):
        if response.status <= HTTPStatus.ACCEPTED:
            raise
        return b""
