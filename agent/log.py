"""Logs as one JSON object a line, with Flagger's keys: `kubectl logs -f | jq .msg` reads as before."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

import orjson

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class JsonFormatter(logging.Formatter):
    """Write `level`, `ts`, `caller`, `msg`, and the canary and error where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line: dict[str, Any] = {
            "level": record.levelname.lower(),
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "caller": f"{record.name}:{record.lineno}",
            "msg": record.getMessage(),
        }
        canary = getattr(record, "canary", None)
        if canary:
            line["canary"] = canary
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def configure_logging(level: str) -> None:
    """Send everything from `level` (debug, info, warning, error) up to standard output.

    Raises:
        ValueError: another level.
    """
    if level not in _LEVELS:
        raise ValueError(f"--log-level: found {level!r}; allowed: {', '.join(_LEVELS)}")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=_LEVELS[level], handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
