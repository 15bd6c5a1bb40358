"""Telling: the news of a canary become events and log lines.

The news of a move of the intent are stored in the status with it, and their events are named after the move: told again
after a restart, they are the same events. Remarks made while waiting are told once for as long as they stay the same.
"""

import logging
from typing import Literal, Protocol

from agent.settings import EVENT_REASON
from canary.news import News
from canary.revision import content_hash
from canary.state import State
from kube.resource import Object

_log = logging.getLogger("serin")


class Recorder(Protocol):
    """Where events go: `kube.events.EventRecorder`, or what stands for it in a test."""

    def record(
        self, obj: Object, type_: Literal["Normal", "Warning"], reason: str, message: str, *, once: str = ""
    ) -> None:
        """Queue an event about an object."""


class Teller:
    """Tells of one canary. It never waits: events are written in the background."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told_sequence: int | None = None
        self._remarks: tuple[News, ...] = ()

    def tell_move(self, obj: Object, state: State) -> None:
        """Tell the news of the stored intent, unless this very move was told already.

        The first time, after a restart, nobody knows whether it was: the event is made sure of, without a log line.
        """
        if self._told_sequence == state.sequence:
            return
        is_restart = self._told_sequence is None
        self._told_sequence = state.sequence
        self._remarks = ()
        name, uid = obj["metadata"]["name"], obj["metadata"].get("uid", "")
        for position, news in enumerate(state.news):
            once = f"{name}.{content_hash(uid)}.{state.sequence}-{position}"
            self._tell(obj, news, once, is_logged=not is_restart)

    def remark(self, obj: Object, remarks: tuple[News, ...]) -> None:
        """Tell what a waiting tick has to say, if it is not what was said last."""
        if remarks == self._remarks:
            return
        self._remarks = remarks
        for news in remarks:
            self._tell(obj, news, "", is_logged=True)

    def _tell(self, obj: Object, news: News, once: str, *, is_logged: bool) -> None:
        if is_logged:
            metadata = obj["metadata"]
            level = logging.WARNING if news.is_warning else logging.INFO
            _log.log(level, news.text, extra={"canary": f"{metadata['name']}.{metadata['namespace']}"})
        self._recorder.record(obj, "Warning" if news.is_warning else "Normal", EVENT_REASON, news.text, once=once)
