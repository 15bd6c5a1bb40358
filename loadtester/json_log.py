"""Logs as one JSON object a line, with the keys of Flagger's logs: level, ts, msg, and canary where there is one."""

import json
import logging
import sys
from datetime import UTC, datetime

_BUILTIN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record as one line; whatever the caller gave as `extra` becomes a key of its own."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "level": record.levelname.lower(),
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "msg": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _BUILTIN_ATTRIBUTES}
        if record.exc_info:
            entry["stacktrace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure_logging(level_name: str) -> None:
    """Sends every log line of the process to stderr as JSON, from `level_name` (`debug` … `error`) on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level_name.upper(), handlers=[handler], force=True)
