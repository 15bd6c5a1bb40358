"""Slack: an incoming hook, or `chat.postMessage` with a bot's token.

Source of the payload: Flagger 1.44, `pkg/notifier/slack.go`, so that channels look the same. Source of the answers and
of what must be escaped: Slack's API documentation.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from agent.providers.alerts.markup import escape_html
from agent.providers.alerts.message import Message
from agent.providers.alerts.port import ChatFormat, Destination, json_object
from agent.providers.errors import ProviderRefused, ProviderUnavailable

# Errors of the Web API, in answers of code 200, that say: nothing was posted, and later it may be.
_TRANSIENT: Final = frozenset({"ratelimited", "rate_limited", "service_unavailable", "request_timeout"})

_WORD: Final = re.compile(r"[a-z_]{1,40}")


class Slack(ChatFormat):
    """Implements `ChatFormat`."""

    def headers(self, destination: Destination) -> dict[str, str]:
        """See `ChatFormat`. A hook's address is its own key; only the Web API wants a token."""
        return {"Authorization": f"Bearer {destination.token}"} if destination.token else {}

    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:
        """See `ChatFormat`."""
        colour = "danger" if message.severity == "error" else "good"
        return slacks_payload(message, destination, colour, text=escape_html, value=escape_html)

    def word(self, body: bytes) -> str:
        """See `ChatFormat`. A hook says a word and nothing else, such as `invalid_payload`."""
        said = body.strip().decode(errors="replace")
        return said if _WORD.fullmatch(said) else ""

    def check_answer(self, body: bytes) -> None:
        """See `ChatFormat`. A hook answers `ok`; the Web API an object with `ok` in it."""
        answer = json_object(body)
        if answer.get("ok", True):
            return
        said = answer.get("error")
        error = said if isinstance(said, str) and _WORD.fullmatch(said) else "not posted"
        raise (ProviderUnavailable if error in _TRANSIENT else ProviderRefused)(error)


def slacks_payload(
    message: Message, destination: Destination, colour: str, *, text: Callable[[str], str], value: Callable[[str], str]
) -> dict[str, Any]:
    """Return a message in Slack's form; `text` and `value` escape the message's text and the values of its fields."""
    attachment = {
        "color": colour,
        "author_name": message.canary,
        "text": text(message.text),
        "mrkdwn_in": ["text"],
        "fields": [{"title": field.name, "value": value(field.value), "short": False} for field in message.fields],
    }
    return {
        "channel": destination.channel,
        "username": destination.username,
        "icon_emoji": ":rocket:",
        "attachments": [attachment],
    }
