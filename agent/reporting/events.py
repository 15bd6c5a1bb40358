"""Reporting: the messages of a canary become events and log lines.

The messages of a transition are stored in the status with it, and their events are named after it: reported again after
a restart, they are the same events. Remarks made while waiting are reported once for as long as they stay the same;
those of a wait that mostly takes a moment, once it has taken longer, and then at intervals.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Literal, Protocol

from agent.settings import EVENT_REASON
from canary.run.messages import Message
from canary.run.phase import IDLE
from canary.run.revision import content_hash
from canary.run.state import State
from kube.resource import Object

_log = logging.getLogger("serin")

# Until they are written only the status keeps the messages, and the next transition replaces them there.
_WRITTEN_WITHIN_S: Final = 10.0
_REPORTED_AGAIN_WITHIN_S: Final = 600.0
# Pods come up in a moment, step by step: four remarks that nobody needs. A wait is looked at again after 5 s.
_TAKES_A_MOMENT_S: Final = 4.0


class Recorder(Protocol):
    """Where events go: `kube.events.EventRecorder`, or what stands for it in a test."""

    def record(
        self, obj: Object, type_: Literal["Normal", "Warning"], reason: str, message: str, *, once: str = ""
    ) -> asyncio.Event:
        """Queue an event about an object; what is returned is set when it is written, or lost for good."""


class EventReporter:
    """Reports on one canary, without waiting: events are written in the background.

    `on_remark` is called with each remark: unlike the messages of a transition it is stored nowhere. `clock` returns
    monotonic seconds.
    """

    def __init__(
        self,
        recorder: Recorder,
        on_remark: Callable[[Object, Message], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._on_remark = on_remark
        self._reported: tuple[int, tuple[Message, ...]] | None = None
        self._remarks: tuple[Message, ...] = ()
        self._clock = clock
        self._told_at_s: dict[str, float] = {}
        """Of each wait under way: when it was told last, or else when it began."""
        self._unwritten: list[asyncio.Event] = []

    @property
    def is_written(self) -> bool:
        """Return whether the events of the last transition are written."""
        return all(written.is_set() for written in self._unwritten)

    async def wait_written(self, limit_s: float = _WRITTEN_WITHIN_S) -> None:
        """Return once the events of the last transition are written, or after `limit_s`: slow events hold no run."""
        try:
            async with asyncio.timeout(limit_s):
                for written in self._unwritten:
                    await written.wait()
        except TimeoutError:
            _log.warning("events are slow to be written, going on without them")

    def report_transition(self, obj: Object, state: State, now_s: float) -> None:
        """Report the messages of the stored intent, unless this very transition was reported already.

        The first time, after a restart, nobody knows whether it was: its events are made sure of, without a log line,
        unless nothing followed it for so long that they may have come and gone. Those of a run under way are made sure
        of, whatever the clocks of two agents say.
        """
        transition = state.transition
        key = (transition.sequence, transition.messages)
        if self._reported == key:
            return
        is_restart = self._reported is None
        self._reported = key
        self._unwritten = []
        is_old = is_restart and _is_at_rest(state) and now_s - transition.at_s > _REPORTED_AGAIN_WITHIN_S
        if not transition.messages or is_old:
            return
        self._remarks = ()
        name, uid = obj["metadata"]["name"], obj["metadata"].get("uid", "")
        for position, message in enumerate(transition.messages):
            # The text too: a status that somebody wiped counts its transitions from the beginning.
            once = f"{name}.{content_hash([uid, transition.sequence, position, message.text])}"
            self._report(obj, message, once, is_logged=not is_restart)

    def report_remarks(self, obj: Object, remarks: tuple[Message, ...]) -> None:
        """Report those of the remarks of a waiting tick that the tick before it did not have."""
        known, self._remarks = self._remarks, self._due(remarks)
        for message in self._remarks:
            if message in known:
                continue
            if message.waits_for:
                self._told_at_s[message.waits_for] = self._clock()
            self._report(obj, message, "", is_logged=True)
            self._on_remark(obj, message)

    def report_failure(self, obj: Object, message: Message) -> None:
        """Report why a tick failed; the waits that it knows nothing of go on."""
        waits = self._told_at_s
        self.report_remarks(obj, (message,))
        self._told_at_s = waits

    def _due(self, remarks: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return the remarks without those of a wait that only just began, or was told only just in other words."""
        now_s = self._clock()
        waits = [message.waits_for for message in remarks if message.waits_for]
        self._told_at_s = {wait: self._told_at_s.get(wait, now_s) for wait in waits}
        return tuple(
            message
            for message in remarks
            if not message.waits_for
            or message in self._remarks
            or now_s - self._told_at_s[message.waits_for] >= _TAKES_A_MOMENT_S
        )

    def _report(self, obj: Object, message: Message, once: str, *, is_logged: bool) -> None:
        if is_logged:
            metadata = obj["metadata"]
            level = logging.WARNING if message.is_warning else logging.INFO
            _log.log(level, message.text, extra={"canary": f"{metadata['name']}.{metadata['namespace']}"})
        type_: Literal["Normal", "Warning"] = "Warning" if message.is_warning else "Normal"
        written = self._recorder.record(obj, type_, EVENT_REASON, message.text, once=once)
        if once:
            self._unwritten.append(written)


def _is_at_rest(state: State) -> bool:
    """Return whether nothing is under way, so that the last transition may be from long ago."""
    is_over = state.phase in {None, *IDLE} and state.revisions.finished == state.revisions.analysed
    return state.blocker is not None or (is_over and not state.hooks.post_rollout_pending)
