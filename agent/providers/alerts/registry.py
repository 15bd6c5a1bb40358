"""The types of chats that alerts can be sent to, by `spec.type` of an AlertProvider."""

from collections.abc import Mapping
from typing import Final

from agent.providers.alerts.chats.discord import Discord
from agent.providers.alerts.chats.gchat import GChat
from agent.providers.alerts.chats.msteams import MSTeams
from agent.providers.alerts.chats.rocket import Rocket
from agent.providers.alerts.chats.slack import Slack
from agent.providers.alerts.chats.webhook import Webhook
from agent.providers.alerts.port import ChatFormat

CHAT_FORMATS: Final[Mapping[str, ChatFormat]] = {
    "slack": Slack(),
    "msteams": MSTeams(),
    "discord": Discord(),
    "rocket": Rocket(),
    "gchat": GChat(),
    "webhook": Webhook(),
}
