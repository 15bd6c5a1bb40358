"""Moments as `.status` spells them: seconds since the epoch in, RFC 3339 in UTC out, and back."""

from datetime import UTC, datetime


def read_time(text: str | None) -> float | None:
    """Read a moment, None where there is none.

    Raises:
        OverflowError, TypeError, ValueError: it is something else.
    """
    return datetime.fromisoformat(text).timestamp() if text else None


def write_time(moment_s: float | None) -> str | None:
    """Write to the millisecond: intervals of a second would be badly served by whole seconds."""
    if moment_s is None:
        return None
    return datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_second(moment_s: float) -> str:
    """Write as Kubernetes' own `metav1.Time` does."""
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
