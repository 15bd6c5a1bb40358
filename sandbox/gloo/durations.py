"""Durations: Gloo reads Go's notation (`1m30s`), Envoy's JSON wants seconds (`90s`)."""

import re
from decimal import Decimal

_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}


def seconds(text: str) -> Decimal:
    """Return 90 for `1m30s`. Raises ValueError for what is no duration in Go's notation."""
    parts = list(_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise ValueError(f"{text!r} is not a duration: expected for example 500ms, 15s or 1m30s")
    return sum((Decimal(part[1]) * _SECONDS[part[2]] for part in parts), Decimal(0))


def envoy_duration(text: str | None) -> str | None:
    """Return `90s` for `1m30s`, `0.5s` for `500ms`, None for None."""
    if text is None:
        return None
    return f"{seconds(text).normalize():f}s"
