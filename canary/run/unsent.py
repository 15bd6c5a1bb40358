"""Alerts that are not sent yet, as `status.serin.unsentAlerts` keeps them: no process that ends takes one with it.

Each alert stands there once, with the chats that are to get it. Who has begun to post it to a chat is written before
anything is posted, so that nobody ever posts it again; it is taken back where nothing was posted for certain.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from canary.api.bounds import MOST_ALERTS
from canary.api.parts import text_of
from canary.run.history import short
from canary.run.mark import Mark
from canary.run.messages import Alert, Severity
from canary.run.moments import read_known_time, write_second

MOST_UNSENT: Final = 8
"""Alerts of a canary, each to all of its chats; the oldest give way, for a status must stay small."""

# One that is being posted gives way to none, so there may be some more for a moment.
_MOST_READ: Final = 2 * MOST_UNSENT

_MOST_TEXT_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Unsent:
    """An alert to one chat: `to` is the `{namespace}/{name}` of an AlertProvider, empty for the agent's own chat.

    `begun_by` names the process that has begun to post it, empty where none has.
    """

    alert: Alert
    to: str = ""
    begun_by: str = ""


def write_unsent(unsent: Iterable[Unsent]) -> list[dict[str, Any]]:
    """Return what `read_unsent` reads: all that has begun is of one process, for what another began is let go first."""
    by_alert: dict[Alert, list[Unsent]] = {}
    for item in unsent:
        by_alert.setdefault(item.alert, []).append(item)
    return [_write(alert, items) for alert, items in by_alert.items()]


def _write(alert: Alert, items: list[Unsent]) -> dict[str, Any]:
    change, begun = alert.change, [item for item in items if item.begun_by]
    chats = {
        "to": [item.to for item in items if not item.begun_by],
        "begun": [item.to for item in begun],
        "begunBy": begun[0].begun_by if begun else "",
    }
    known = {
        "reason": short(alert.reason, _MOST_TEXT_BYTES),
        "revision": alert.revision,
        "change": short(change.changed, _MOST_TEXT_BYTES) if change is not None else "",
        "by": change.by if change is not None else "",
    }
    told = {"id": alert.id, "at": write_second(alert.at_s), "severity": alert.severity}
    told |= {"text": short(alert.text, _MOST_TEXT_BYTES)} | {key: text for key, text in known.items() if text}
    settings = {"hasSettings": True} if alert.has_settings else {}
    return told | settings | {key: found for key, found in chats.items() if found}


def read_unsent(found: object) -> tuple[Unsent, ...]:
    """Read what was written; what is something else, by somebody's hand, is left out."""
    items = found if isinstance(found, list) else []
    return tuple(unsent for item in items[:_MOST_READ] if isinstance(item, Mapping) for unsent in _read_chats(item))


def _read_chats(item: Mapping[str, Any]) -> list[Unsent]:
    alert, by = _read(item), text_of(item, "begunBy")
    if alert is None:
        return []
    begun = [Unsent(alert, to, by) for to in _names(item, "begun")] if by else []
    return [Unsent(alert, to) for to in _names(item, "to")] + begun


def _names(item: Mapping[str, Any], key: str) -> list[str]:
    found = item.get(key)
    names = found[:MOST_ALERTS] if isinstance(found, list) else []
    return [name for name in names if isinstance(name, str)]


def _read(item: Mapping[str, Any]) -> Alert | None:
    text, severity, at_s = text_of(item, "text"), text_of(item, "severity"), read_known_time(item.get("at"))
    if not text or severity not in get_args(Severity) or at_s is None:
        return None
    revision, changed, by = (text_of(item, key) for key in ("revision", "change", "by"))
    return Alert(
        cast("Severity", severity),
        text,
        text_of(item, "reason"),
        has_settings=item.get("hasSettings") is True,
        change=Mark(revision, changed, by) if changed or by else None,
        revision=revision,
        id=text_of(item, "id"),
        at_s=at_s,
    )
