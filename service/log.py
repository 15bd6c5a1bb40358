"""Logs as one JSON object a line, with Flagger's keys: `kubectl logs -f | jq .msg` reads all our programs alike."""

import json
import logging
import os
import select
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TextIO

from pythonjsonlogger.json import JsonFormatter

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """How a program's lines differ from those of another; people's scripts read them, so they stay as they are.

    `has_caller`: the line says `caller`, the logger and its line. `error_key` holds the traceback. `utc` ends `ts`:
    "Z" or "+00:00". `separators` are those of items and keys. `is_ascii`: all other characters are escaped, so that
    the text of strangers can always be written, lone surrogates too.
    """

    has_caller: bool = True
    error_key: str = "error"
    utc: str = "Z"
    separators: tuple[str, str] = (",", ":")
    is_ascii: bool = False


DEFAULT_FORMAT: Final = LineFormat()

# So long whoever takes the lines may take for one of them, before others are thrown away.
_PATIENCE_S: Final = 0.2


class LineFormatter(JsonFormatter):
    """Writes `level`, `ts`, `caller`, `msg`, then what was given as `extra`, then the traceback if there is one."""

    def __init__(self, line_format: LineFormat) -> None:
        caller = ["caller"] if line_format.has_caller else []
        super().__init__(
            ["level", "ts", *caller, "msg"],
            rename_fields={"exc_info": line_format.error_key},
            json_default=str,
            json_serializer=partial(json.dumps, separators=line_format.separators),
            json_ensure_ascii=line_format.is_ascii,
        )
        self._line_format = line_format

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill in a line. An extra that is empty is left out."""
        super().add_fields(log_data, record, message_dict)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["level"] = record.levelname.lower()
        log_data["ts"] = at.removesuffix("+00:00") + self._line_format.utc
        if self._line_format.has_caller:
            log_data["caller"] = f"{record.name}:{record.lineno}"
        log_data["msg"] = record.getMessage()
        for key in [key for key, value in log_data.items() if value == "" and key != "msg"]:
            del log_data[key]
        if self._line_format.error_key in log_data:  # last: it is long
            log_data[self._line_format.error_key] = log_data.pop(self._line_format.error_key)


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines for as long as somebody takes them; the program goes on where nobody does.

    A full disk, a pipe whose reader is gone, and one whose reader has stopped to read (a container runtime that hangs:
    a write to it never returns) cost the lines of that time, and nothing else. How many is said when lines are taken
    again.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lost = 0
        self._is_cut = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and before it how many were lost."""
        try:
            if self._lost and self._write(self.format(self._of_lost())):
                self._lost = 0
            if self._lost or not self._write(self.format(record)):
                self._lost += 1
        except Exception:  # noqa: BLE001  as every handler of logging does: what is wrong with a line ends no program
            self.handleError(record)

    def _of_lost(self) -> logging.LogRecord:
        text = "%d lines of the log were lost: nobody took them"
        return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (self._lost,), None)

    def _write(self, line: str) -> bool:
        """Write a line; return whether all of it was taken."""
        try:
            file = self.stream.fileno()
        except (OSError, AttributeError):  # no file, as in tests
            self.stream.write(line + self.terminator)
            self.flush()
            return True
        # A line that was taken in part ends here: what is written next is one of its own.
        text = (self.terminator if self._is_cut else "") + line + self.terminator
        whole = rest = text.encode(errors="backslashreplace")
        with suppress(OSError):
            while rest and self._is_taken(file):
                # A pipe that takes anything takes so much at once.
                rest = rest[os.write(file, rest[: select.PIPE_BUF]) :]
        if len(rest) < len(whole):
            self._is_cut = bool(rest)
        return not rest

    def _is_taken(self, file: int) -> bool:
        """Return whether a write would return. One that lost lines is not waited for again."""
        poll = select.poll()
        poll.register(file, select.POLLOUT)
        return bool(poll.poll(0 if self._lost else _PATIENCE_S * 1000))


def configure_logging(level: str, *, line_format: LineFormat = DEFAULT_FORMAT, stream: TextIO | None = None) -> None:
    """Send everything from `level` (debug, info, warning, error) up to `stream`, None being standard output.

    Raises:
        ValueError: another level.
    """
    if level not in LEVELS:
        raise ValueError(f"--log-level: found {level!r}; allowed: {', '.join(LEVELS)}")
    handler = LineHandler(stream or sys.stdout)
    handler.setFormatter(LineFormatter(line_format))
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
