"""Alerts that are not sent yet, as `status.serin.unsentAlerts` keeps them: no process that ends takes one with it.

One for each alert and each chat that is to get it. `begun_by` is written before anything is posted, so that nobody ever
posts it again; it is taken back where nothing was posted for certain.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from canary.api.parts import text_of
from canary.run.history import short
from canary.run.mark import Mark
from canary.run.messages import Alert, Severity
from canary.run.moments import read_known_time, write_second

MOST_UNSENT: Final = 8
"""Of a canary; the oldest give way, for a status must stay small."""

_MOST_TEXT_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Unsent:
    """`to` is the `{namespace}/{name}` of an AlertProvider, empty for the agent's own chat.

    `begun_by` names the process that has begun to post it, empty where none has.
    """

    alert: Alert
    to: str = ""
    begun_by: str = ""


def write_unsent(unsent: Iterable[Unsent]) -> list[dict[str, Any]]:
    """Return what `read_unsent` reads."""
    return [_write(item) for item in unsent]


def _write(item: Unsent) -> dict[str, Any]:
    alert, change = item.alert, item.alert.change
    known = {
        "to": item.to,
        "begunBy": item.begun_by,
        "reason": short(alert.reason, _MOST_TEXT_BYTES),
        "revision": alert.revision,
        "change": short(change.changed, _MOST_TEXT_BYTES) if change is not None else "",
        "by": change.by if change is not None else "",
    }
    told = {"id": alert.id, "at": write_second(alert.at_s), "severity": alert.severity}
    told |= {"text": short(alert.text, _MOST_TEXT_BYTES)} | {key: text for key, text in known.items() if text}
    return told | ({"hasSettings": True} if alert.has_settings else {})


def read_unsent(found: object) -> tuple[Unsent, ...]:
    """Read what was written; what is something else, by somebody's hand, is left out."""
    items = found if isinstance(found, list) else []
    read = (_read(item) for item in items if isinstance(item, Mapping))
    return tuple(item for item in read if item is not None)[:MOST_UNSENT]


def _read(item: Mapping[str, Any]) -> Unsent | None:
    text, severity, at_s = text_of(item, "text"), text_of(item, "severity"), read_known_time(item.get("at"))
    if not text or severity not in get_args(Severity) or at_s is None:
        return None
    revision, changed, by = (text_of(item, key) for key in ("revision", "change", "by"))
    alert = Alert(
        cast("Severity", severity),
        text,
        text_of(item, "reason"),
        has_settings=item.get("hasSettings") is True,
        change=Mark(revision, changed, by) if changed or by else None,
        revision=revision,
        id=text_of(item, "id"),
        at_s=at_s,
    )
    return Unsent(alert, text_of(item, "to"), text_of(item, "begunBy"))
