"""Sending alerts in the background: whoever has one queues it and goes on."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from agent.keyed_queue import HasQueues, KeyedQueue
from agent.providers.alerts.delivery import Delivery, NoDestination, NotNow, Ticket
from agent.providers.alerts.destinations import Directory, Recipient
from agent.providers.alerts.message import Message, message_of
from agent.providers.errors import ProviderError, ProviderUnavailable
from agent.recent_failures import RecentFailures
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
DELAYED: Final = "delayed"

# AlertProviders come and go: one that failed, and has not been asked for so long, is not remembered.
_FAILING_FOR_S: Final = 3600.0

Count = Callable[[str, str], None]
"""Takes the type of the chat and the outcome.

SENT, FAILED; LOST, because nobody knows, or it came too late; DELAYED at each time that it is put off by a failure.
"""


class Parcel(Ticket, Protocol):
    """A ticket whose holder is told what became of the message."""

    async def settle(self) -> None:
        """Write that nobody has to do anything for it any more: it was posted, or never will be."""

    async def keep(self, why: str) -> bool:
        """Note that it could not be posted now; return whether it is tried again later."""

    def put_off(self, why: str) -> None:
        """Note that others took its place in the queue: it is to be queued again later."""

    def drop(self) -> None:
        """Note that it is in no queue any more, and nothing was posted."""


@dataclass(frozen=True, slots=True)
class _Job:
    obj: Object
    recipient: Recipient
    message: Message
    parcel: Parcel

    @property
    def queue_key(self) -> str:
        return _key_of(self.recipient)


def _key_of(recipient: Recipient) -> str:
    return "the own chat" if recipient.provider is None else "/".join(recipient.provider)


class AlertDispatcher(HasQueues[str, _Job]):
    """`async with AlertDispatcher(...) as alerts`: leaving it ends what is under way after `drain_s` at most.

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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._delivery = delivery
        self._recorder = recorder
        self._count = count
        self._cluster_name = cluster_name
        super().__init__(KeyedQueue("alerts", self._deliver, capacity=capacity, drain_s=drain_s))
        self._failing = RecentFailures(_FAILING_FOR_S, clock)

    def recipients(self, canary: Canary, severity: str) -> list[Recipient]:
        """Return who is to get a canary's alert of a severity."""
        return self._directory.recipients(canary, severity)

    def send(self, obj: Object, canary: Canary, alert: Alert, recipient: Recipient, parcel: Parcel) -> bool:
        """Queue an alert; return False where too many others wait. `obj` is the Canary, for events about it."""
        message = message_of(canary, alert, self._cluster_name, str(obj["metadata"].get("uid", "")))
        job = _Job(obj, recipient, message, parcel)
        turned_away = self._queues.put(job.queue_key, job, recipient.asked_by)
        if turned_away is not None and turned_away is not job:
            turned_away.parcel.put_off("too many others wait")
        return turned_away is not job

    def report_unsent(self, obj: Object, alert: Alert, recipient: Recipient | None, why: str) -> None:
        """Report an alert that is not sent (any more); `recipient` is None where the canary has it no more."""
        metadata = obj["metadata"]
        _log.warning(shown(_text(alert.text, why)), extra={"canary": f"{metadata['name']}.{metadata['namespace']}"})
        self._recorder.record(obj, "Warning", EVENT_REASON, shown(_text(alert.text, why)))
        self._count(self._directory.type_of(recipient) if recipient is not None else "", LOST)

    async def _deliver(self, job: _Job) -> None:
        key, parcel = job.queue_key, job.parcel
        # Of a chat that took nothing the others in its queue are not held up by as many attempts again.
        attempts = 1 if key in self._failing else None
        try:
            find = partial(self._directory.find, job.recipient)
            await self._delivery.deliver(job.message, find, parcel, attempts=attempts)
        except NotNow:
            parcel.drop()
        except ProviderUnavailable as error:
            if not isinstance(error, NoDestination):
                self._failing.note(key)
            self._fail(job, str(error), is_kept=await parcel.keep(str(error)))
        except ProviderError as error:
            await parcel.settle()
            self._fail(job, str(error))
        except Exception as error:  # noqa: BLE001  a fault in one message must not stop the ones behind it
            await parcel.settle()
            self._fail(job, f"a fault of the agent's own: {type(error).__name__}")
        else:
            self._failing.forget(key)
            await parcel.settle()
            self._count(self._directory.type_of(job.recipient), SENT)

    def _fail(self, job: _Job, why: str, *, is_kept: bool = False) -> None:
        text = shown(_text(job.message.text, why) + (". It is tried again" if is_kept else ""))
        _log.warning(text, extra={"canary": job.message.canary})
        self._recorder.record(job.obj, "Warning", EVENT_REASON, text)
        self._count(self._directory.type_of(job.recipient), DELAYED if is_kept else FAILED)


def _text(alert: str, why: str) -> str:
    return f"Alert {alert!r} was not sent: {why}"
