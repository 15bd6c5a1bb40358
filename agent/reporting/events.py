"""Telling: the news of a canary become events and log lines.

The news of a move of the intent are stored in the status with it, and their events are named after the move: told again
after a restart, they are the same events. Remarks made while waiting are told once for as long as they stay the same.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Literal, Protocol

from agent.settings import EVENT_REASON
from canary.run.messages import Message
from canary.run.revision import content_hash
from canary.run.state import State
from kube.resource import Object

_log = logging.getLogger("serin")

_WRITTEN_WITHIN_S: Final = 2.0
_RETOLD_WITHIN_S: Final = 600.0


class Recorder(Protocol):
    """Where events go: `kube.events.EventRecorder`, or what stands for it in a test."""

    def record(
        self, obj: Object, type_: Literal["Normal", "Warning"], reason: str, message: str, *, once: str = ""
    ) -> asyncio.Event:
        """Queue an event about an object; what is returned is set when it is written, or lost for good."""


class EventReporter:
    """Tells of one canary. Telling never waits: events are written in the background.

    `overhear` is called with each remark: unlike the news of a move it is stored nowhere.
    """

    def __init__(self, recorder: Recorder, overhear: Callable[[Object, Message], None]) -> None:
        self._recorder = recorder
        self._overhear = overhear
        self._told: tuple[int, tuple[Message, ...]] | None = None
        self._remarks: tuple[Message, ...] = ()
        self._unwritten: list[asyncio.Event] = []

    async def wait_told(self, limit_s: float = _WRITTEN_WITHIN_S) -> None:
        """Return once the events of the last move told are written, or after `limit_s`: slow events hold no run."""
        try:
            async with asyncio.timeout(limit_s):
                for written in self._unwritten:
                    await written.wait()
        except TimeoutError:
            _log.warning("events are slow to be written, going on without them")

    def tell_move(self, obj: Object, state: State, now_s: float) -> None:
        """Tell the news of the stored intent, unless this very move was told already.

        The first time, after a restart, nobody knows whether it was: the event is made sure of, without a log line,
        unless the move is so old that its event may have come and gone.
        """
        move = (state.transition.sequence, state.transition.messages)
        if self._told == move:
            return
        is_restart = self._told is None
        self._told = move
        self._unwritten = []
        if not state.transition.messages or (is_restart and now_s - state.transition.at_s > _RETOLD_WITHIN_S):
            return
        self._remarks = ()
        name, uid = obj["metadata"]["name"], obj["metadata"].get("uid", "")
        for position, news in enumerate(state.transition.messages):
            # The text too: a status that somebody wiped counts its moves from the beginning.
            once = f"{name}.{content_hash([uid, state.transition.sequence, position, news.text])}"
            self._tell(obj, news, once, is_logged=not is_restart)

    def remark(self, obj: Object, remarks: tuple[Message, ...]) -> None:
        """Tell what a waiting tick has to say, if it is not what was said last."""
        if remarks == self._remarks:
            return
        self._remarks = remarks
        for news in remarks:
            self._tell(obj, news, "", is_logged=True)
            self._overhear(obj, news)

    def _tell(self, obj: Object, news: Message, once: str, *, is_logged: bool) -> None:
        if is_logged:
            metadata = obj["metadata"]
            level = logging.WARNING if news.is_warning else logging.INFO
            _log.log(level, news.text, extra={"canary": f"{metadata['name']}.{metadata['namespace']}"})
        type_: Literal["Normal", "Warning"] = "Warning" if news.is_warning else "Normal"
        written = self._recorder.record(obj, type_, EVENT_REASON, news.text, once=once)
        if once:
            self._unwritten.append(written)
