"""Hooks: services that are asked in the course of a run.

Source of payload, timing and codes: Flagger 1.44, `pkg/controller/webhook.go`.
"""

import asyncio
from typing import Any, Final

import aiohttp
import orjson

from canary.judge import CheckResult, Verdict
from canary.model.canary import Canary
from canary.model.hooks import CanaryWebhook
from canary.phase import Phase
from canary.revision import content_hash
from canary.state import State

_ACCEPTED: Final = 202
_SERVER_ERROR: Final = 500
_ANSWER_LIMIT_BYTES: Final = 4096
_RETRY_WAIT_S: Final = 1.0


class Hooks:
    """Calls hooks over one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def call(self, canary: Canary, state: State, hook: CanaryWebhook, phase: Phase, *, text: str) -> CheckResult:
        """POST the payload and judge the answer: up to 202 is PASS, above is FAIL with the body, no answer is ERROR.

        `text` leads the result's sentence, such as `pre-rollout check acceptance-test`. A refusal is final; no answer
        and a server error are tried again up to the hook's own `retries`.
        """
        attempts = hook.retries + 1
        result = CheckResult(hook.name, Verdict.ERROR, f"{text} was not called")
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(_RETRY_WAIT_S)
            result, is_final = await self._call_once(hook, _payload(canary, state, hook, phase), text)
            if is_final:
                break
        return result

    async def _call_once(self, hook: CanaryWebhook, payload: dict[str, Any], text: str) -> tuple[CheckResult, bool]:
        try:
            async with self._session.post(
                hook.url,
                data=orjson.dumps(payload),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=hook.timeout_s),
                ssl=not hook.disable_tls,
            ) as response:
                body = await response.content.read(_ANSWER_LIMIT_BYTES)
        except TimeoutError:
            why = f"{text} failed: {hook.url} gave no answer within {hook.timeout_s:g} s"
            return CheckResult(hook.name, Verdict.ERROR, why), False
        except (aiohttp.ClientError, ValueError) as error:
            return CheckResult(hook.name, Verdict.ERROR, f"{text} failed: {hook.url}: {error}"), False
        if response.status <= _ACCEPTED:
            return CheckResult(hook.name, Verdict.PASS, f"{text} passed"), True
        answer = body.decode(errors="replace").strip() or f"HTTP {response.status}"
        return CheckResult(hook.name, Verdict.FAIL, f"{text} failed {answer}"), response.status < _SERVER_ERROR


def _payload(canary: Canary, state: State, hook: CanaryWebhook, phase: Phase) -> dict[str, Any]:
    """Give the body of the call; `checksum` names the revision and its tracked configs."""
    payload = {
        "name": canary.name,
        "namespace": canary.namespace,
        "phase": str(phase),
        "checksum": content_hash({"lastAppliedSpec": state.analysed}),
    }
    return payload | ({"metadata": dict(hook.metadata)} if hook.metadata else {})
