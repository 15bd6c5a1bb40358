"""Slack: an incoming hook, or `chat.postMessage` with a bot's token.

Source of the payload: Flagger 1.44, `pkg/notifier/slack.go`, so that channels look the same. Source of the answers and
of what must be escaped: Slack's API documentation.
"""

import re
from typing import Any, Final

import orjson

from agent.providers.alerts.message import Message
from agent.providers.alerts.port import Destination
from agent.providers.errors import ProviderRefused, ProviderUnavailable

# Errors of the Web API, in answers of code 200, that say: nothing was posted, and later it may be.
_TRANSIENT: Final = frozenset({"ratelimited", "rate_limited", "service_unavailable", "request_timeout"})


# An address may be anybody's: of what it answers no more is told than one of the API's words.
_WORD: Final = re.compile(r"[a-z_]{1,40}")


class Slack:
    """Implements `ChatFormat`."""

    def headers(self, destination: Destination) -> dict[str, str]:
        """See `ChatFormat`. A hook's address is its own key; only the Web API wants a token."""
        return {"Authorization": f"Bearer {destination.token}"} if destination.token else {}

    def payload(self, message: Message, destination: Destination) -> dict[str, Any]:
        """See `ChatFormat`."""
        attachment = {
            "color": "danger" if message.severity == "error" else "good",
            "author_name": message.canary,
            "text": _escaped(message.text),
            "mrkdwn_in": ["text"],
            "fields": [
                {"title": field.name, "value": _escaped(field.value), "short": False} for field in message.fields
            ],
        }
        return {
            "channel": destination.channel,
            "username": destination.username,
            "icon_emoji": ":rocket:",
            "attachments": [attachment],
        }

    def check_answer(self, body: bytes) -> None:
        """See `ChatFormat`. A hook answers `ok`; the Web API an object with `ok` in it."""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        if not isinstance(answer, dict) or answer.get("ok", True):
            return
        said = answer.get("error")
        error = said if isinstance(said, str) and _WORD.fullmatch(said) else "not posted"
        raise (ProviderUnavailable if error in _TRANSIENT else ProviderRefused)(error)


def _escaped(text: str) -> str:
    """Escape Slack's three control characters: a check's `69.17% < 99%` would open a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
