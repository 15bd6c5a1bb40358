"""Sending alerts in the background: whoever has one queues it and goes on."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Self

from agent.keyed_queue import KeyedQueue
from agent.providers.alerts.delivery import Delivery
from agent.providers.alerts.destinations import Directory, Recipient
from agent.providers.alerts.message import Message, message_of
from agent.providers.errors import ProviderError
from agent.reporting.events import Recorder
from agent.settings import EVENT_REASON
from canary.api.canary import Canary
from canary.api.shown import shown
from canary.run.messages import Alert
from kube.resource import Object

_log = logging.getLogger(__name__)

SENT: Final = "sent"
FAILED: Final = "failed"
LOST: Final = "lost"

Count = Callable[[str, str], None]
"""Takes the type of the chat and the outcome: SENT, FAILED, or LOST because the queue was full."""


@dataclass(frozen=True, slots=True)
class _Job:
    obj: Object
    recipient: Recipient
    message: Message


class AlertDispatcher:
    """`async with AlertDispatcher(...) as alerts`: leaving it sends what is queued, for `drain_s` at most.

    Messages to one provider arrive in order; one that is slow holds up no other. An alert that can't be sent is
    logged, counted and reported as an event of its canary.
    """

    def __init__(
        self,
        directory: Directory,
        delivery: Delivery,
        recorder: Recorder,
        count: Count,
        *,
        cluster_name: str = "",
        capacity: int = 1000,
        drain_s: float = 5.0,
    ) -> None:
        self._directory = directory
        self._delivery = delivery
        self._recorder = recorder
        self._count = count
        self._cluster_name = cluster_name
        self._queues: KeyedQueue[str, _Job] = KeyedQueue("alerts", self._deliver, capacity=capacity, drain_s=drain_s)

    async def __aenter__(self) -> Self:
        await self._queues.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._queues.__aexit__(kind, error, trace)

    @property
    def waiting(self) -> int:
        """Return how many alerts are not sent yet."""
        return self._queues.waiting

    def has_recipients(self, canary: Canary, alerts: Sequence[Alert]) -> bool:
        """Return whether anybody is to get one of these alerts."""
        return any(self._directory.recipients(canary, alert.severity) for alert in alerts)

    def send(self, obj: Object, canary: Canary, alerts: Sequence[Alert]) -> None:
        """Queue alerts of a canary to everybody who is to get them. `obj` is the Canary, for events about it."""
        for alert in alerts:
            message = message_of(canary, alert, self._cluster_name, str(obj["metadata"].get("uid", "")))
            for recipient in self._directory.recipients(canary, alert.severity):
                self._put(_Job(obj, recipient, message))

    def _put(self, job: _Job) -> None:
        provider = job.recipient.provider
        key = "the own chat" if provider is None else "/".join(provider)
        if not self._queues.put(key, job, job.recipient.asked_by):
            self._fail(job, LOST, "too many others wait already")

    async def _deliver(self, job: _Job) -> None:
        try:
            await self._delivery.deliver(job.message, partial(self._directory.find, job.recipient))
        except ProviderError as error:
            self._fail(job, FAILED, str(error))
        except Exception as error:  # noqa: BLE001  a fault in one message must not stop the ones behind it
            self._fail(job, FAILED, f"a fault of the agent's own: {type(error).__name__}")
        else:
            self._count(self._directory.type_of(job.recipient), SENT)

    def _fail(self, job: _Job, outcome: str, why: str) -> None:
        text = shown(f"Alert {job.message.text!r} was not sent: {why}")
        _log.warning(text, extra={"canary": job.message.canary})
        self._recorder.record(job.obj, "Warning", EVENT_REASON, text)
        self._count(self._directory.type_of(job.recipient), outcome)
