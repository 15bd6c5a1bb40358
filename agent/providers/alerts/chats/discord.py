"""Discord: a webhook in its own format, or in Slack's where the address ends in `/slack`.

Flagger 1.44 (`pkg/notifier/discord.go`) appends `/slack` to every address. Discord's own format shows the same; beside
that it says which mentions count (none), and its limits are documented: those of embeds, of names, and of the rate.
Source: Discord's documentation of webhooks, embeds and rate limits.
"""

from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from agent.providers.alerts.chats.slack import Slack
from agent.providers.alerts.markup import escape_markdown, within
from agent.providers.alerts.message import Field, Message
from agent.providers.alerts.port import ChatFormat, Destination, json_object

_SLACK: Final = Slack()

_COLORS: Final = {"info": 0x36A64F, "warn": 0xDAA038, "error": 0xFF0000}

_MOST_USERNAME_CHARS: Final = 80
_MOST_AUTHOR_CHARS: Final = 256
_MOST_TEXT_CHARS: Final = 2_048
_MOST_VALUE_CHARS: Final = 1_024
_MOST_FIELDS: Final = 25
_MOST_CHARS: Final = 6_000
"""Of an embed's texts together."""


class Discord(ChatFormat):
    """Implements `ChatFormat`."""

    def address(self, destination: Destination) -> str:
        """See `ChatFormat`. Without `wait` Discord says yes before it knows whether the message is kept."""
        parts = urlsplit(destination.address)
        if "wait" in parse_qs(parts.query):
            return destination.address
        return parts._replace(query="&".join(filter(None, (parts.query, "wait=true")))).geturl()

    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:
        """See `ChatFormat`."""
        return _slack_form(message, destination) if _is_slacks(destination.address) else _own_form(message, destination)

    def word(self, body: bytes) -> str:
        """See `ChatFormat`. Discord answers `{"message": "Unknown Webhook", "code": 10015}`."""
        code = json_object(body).get("code")
        is_code = isinstance(code, int) and not isinstance(code, bool) and 0 < code < 10_000_000  # noqa: PLR2004
        return f"code {code}" if is_code else ""

    def retry_after_s(self, body: bytes) -> float:
        """See `ChatFormat`. Discord answers `{"retry_after": 64.57, "global": false, ...}`, in seconds."""
        asked = json_object(body).get("retry_after")
        return float(asked) if isinstance(asked, int | float) and asked > 0 else 0.0


def _is_slacks(address: str) -> bool:
    return urlsplit(address).path.rstrip("/").endswith("/slack")


def _slack_form(message: Message, destination: Destination) -> dict[str, Any]:
    """Return Slack's payload with the texts of an embed, which is what Discord makes of it."""
    escaped = message.with_texts(lambda text: within(text, _MOST_VALUE_CHARS, escape_markdown))
    payload = _SLACK.payload(message, destination)
    attachment = payload["attachments"][0] | {
        "text": escaped.text,
        "fields": [{"title": field.name, "value": field.value, "short": False} for field in escaped.fields],
    }
    return payload | {"attachments": [attachment]}


def _own_form(message: Message, destination: Destination) -> dict[str, Any]:
    author, text = message.canary[:_MOST_AUTHOR_CHARS], within(message.text, _MOST_TEXT_CHARS, escape_markdown)
    embed = {
        "author": {"name": author},
        "description": text,
        "color": _COLORS[message.severity],
        "fields": _fields(message.fields, _MOST_CHARS - len(author) - len(text)),
    }
    return {
        "username": destination.username[:_MOST_USERNAME_CHARS],
        "allowed_mentions": {"parse": []},
        "embeds": [embed],
    }


def _fields(fields: tuple[Field, ...], left: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for field in fields[:_MOST_FIELDS]:
        most = min(_MOST_VALUE_CHARS, left - len(field.name))
        if most < 1 or not field.value:
            continue
        value = within(field.value, most, escape_markdown)
        left -= len(field.name) + len(value)
        found.append({"name": field.name, "value": value, "inline": False})
    return found
