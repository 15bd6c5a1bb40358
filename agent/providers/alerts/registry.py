"""The types of chats that alerts can be sent to, by `spec.type` of an AlertProvider."""

from collections.abc import Mapping
from typing import Final

from agent.providers.alerts.port import ChatFormat
from agent.providers.alerts.slack import Slack

CHAT_FORMATS: Final[Mapping[str, ChatFormat]] = {"slack": Slack()}
