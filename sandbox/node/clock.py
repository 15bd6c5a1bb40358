"""Times as Kubernetes writes them."""

from datetime import UTC, datetime


def now_text() -> str:
    """Return the time now as metav1.Time: whole seconds, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now_nano_text() -> str:
    """Return the time now as the container runtimes write it in front of a log line."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
