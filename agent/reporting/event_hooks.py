"""Event hooks: whatever is reported of a canary is sent to the services that it names, too.

Source of payload and choice: Flagger 1.44, `sendEventToWebhook` and `CallEventWebhook`.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from agent.keyed_queue import HasQueues, KeyedQueue
from agent.providers.hooks import Hooks, payload
from agent.recent_failures import RecentFailures
from canary.api.canary import Canary
from canary.api.hooks import CanaryWebhook
from canary.run.judge import Verdict
from canary.run.messages import Message
from kube.resource import Object

_log = logging.getLogger(__name__)

_MS_PER_S: Final = 1000

# Canaries and hooks come and go: one that failed, and has not been called for so long, is not remembered.
_FAILING_FOR_S: Final = 3600.0

Outcome = Literal["sent", "failed", "lost"]
"""`failed`: refused or not answered; `lost`: too many others waited already."""


@dataclass(frozen=True, slots=True)
class _Job:
    hook: CanaryWebhook
    canary: str
    body: Mapping[str, object]

    @property
    def queue_key(self) -> str:
        return f"{self.hook.name} of {self.canary}"


class EventHooks(HasQueues[str, _Job]):
    """`async with EventHooks(...) as hooks`: leaving it sends what is queued, for `drain_s` at most.

    A hook gets a canary's events in order. One that fails is counted each time, and logged once until it works again
    or was not called for an hour.
    `own_url`, if any, is sent the events of the canaries that name no event hook, by `own_hooks`. `now_s` returns
    seconds since the epoch.
    """

    def __init__(
        self,
        hooks: Hooks,
        count: Callable[[Outcome], None],
        now_s: Callable[[], float],
        *,
        own_url: str = "",
        own_hooks: Hooks | None = None,
        capacity: int = 100,
        drain_s: float = 5.0,
    ) -> None:
        self._hooks = hooks
        self._count = count
        self._now_s = now_s
        self._own_hooks = own_hooks or hooks
        self._own = (CanaryWebhook(name="events", type="event", url=own_url),) if own_url else ()
        super().__init__(KeyedQueue("events", self._post, capacity=capacity, drain_s=drain_s))
        self._failing = RecentFailures(_FAILING_FOR_S, now_s)

    def has_hooks(self, canary: Canary) -> bool:
        """Return whether anybody is sent this canary's events."""
        return bool(self._hooks_of(canary))

    def send(self, obj: Object, canary: Canary, messages: Sequence[Message]) -> None:
        """Queue an event for each message. `obj` is the Canary as it is stored: phase and revision are read from it."""
        for hook in self._hooks_of(canary):
            for message in messages:
                job = _Job(hook, f"{canary.name}.{canary.namespace}", self._body(obj, canary, hook, message))
                turned_away = self._queues.put(job.queue_key, job, canary.namespace)
                if turned_away is not None:
                    self._fail(turned_away, "lost", "too many others wait already")

    def _hooks_of(self, canary: Canary) -> tuple[CanaryWebhook, ...]:
        hooks = canary.analysis.webhooks if canary.analysis else ()
        return tuple(hook for hook in hooks if hook.type_effective == "event") or self._own

    def _body(self, obj: Object, canary: Canary, hook: CanaryWebhook, message: Message) -> Mapping[str, object]:
        status = obj.get("status") or {}
        event = {
            "eventMessage": message.text,
            "eventType": "Warning" if message.is_warning else "Normal",
            "timestamp": str(int(self._now_s() * _MS_PER_S)),
        }
        metadata = hook.metadata | event
        return payload(canary, metadata, phase=status.get("phase", ""), revision=status.get("lastAppliedSpec", ""))

    async def _post(self, job: _Job) -> None:
        # The operator's own address may be one that users may not name.
        hooks = self._own_hooks if job.hook in self._own else self._hooks
        answer = await hooks.post(job.hook, job.body)
        if answer.verdict is not Verdict.PASS:
            self._fail(job, "failed", answer.text)
            return
        self._count("sent")
        self._failing.forget(job.queue_key)

    def _fail(self, job: _Job, outcome: Outcome, why: str) -> None:
        self._count(outcome)
        if self._failing.note(job.queue_key):
            _log.warning("event hook %s: event %s: %s", job.queue_key, outcome, why, extra={"canary": job.canary})
