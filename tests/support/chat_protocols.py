"""The chats' protocols, each as its documentation tells it: what is refused, how it is answered, what is shown."""

import json
import re
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from tests.support.chat import Answer, ChatProtocol

_WAIT = {"Retry-After": "30"}


def _said(status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(answer), headers or {})


# Slack: incoming hooks, and chat.postMessage.


def _refuse_slack(request: web.Request, payload: dict[str, Any], *, token: str = "") -> str | None:
    if request.content_type != "application/json":
        return "invalid_payload"
    if not (payload.get("text") or payload.get("attachments") or payload.get("blocks")):
        return "no_text"
    if token and request.headers.get("Authorization") != f"Bearer {token}":
        return "not_authed"
    return None


def _slack_text(payload: dict[str, Any]) -> str:
    text: str = payload["attachments"][0]["text"]
    return text


def _slack_fields(payload: dict[str, Any]) -> dict[str, str]:
    return {field["title"]: field["value"] for field in payload["attachments"][0]["fields"]}


SLACK_HOOK = ChatProtocol(
    name="slack hook",
    type="slack",
    path="/services/T0001/B0001/hook-secret",
    success=Answer(200, "ok", is_posted=True),
    refuse=_refuse_slack,
    text_of=_slack_text,
    fields_of=_slack_fields,
    refused=(Answer(404, "channel_is_archived"), "404 channel_is_archived"),
    limited=Answer(429, "rate_limited", _WAIT),
)
SLACK_BOT = ChatProtocol(
    name="slack bot",
    type="slack",
    path="/api/chat.postMessage",
    success=Answer(200, '{"ok": true, "channel": "C1", "ts": "1.2"}', is_posted=True),
    refuse=lambda request, payload: _refuse_slack(request, payload, token="xoxb-token-secret"),
    text_of=_slack_text,
    fields_of=_slack_fields,
    refused=(_said(200, {"ok": False, "error": "channel_not_found"}), "channel_not_found"),
    limited=_said(429, {"ok": False, "error": "ratelimited"}, _WAIT),
    token="xoxb-token-secret",
)


# Microsoft Teams: workflows take Adaptive Cards, connectors take MessageCards; neither takes more than 28 KB.

_CARD = "application/vnd.microsoft.card.adaptive"
_MOST_BYTES = 28 * 1024


def _refuse_workflow(request: web.Request, payload: dict[str, Any]) -> str | None:
    if payload.get("type") != "message" or len(json.dumps(payload, ensure_ascii=False).encode()) > _MOST_BYTES:
        return "TriggerInputSchemaMismatch"
    [attachment] = payload["attachments"]
    card = attachment["content"]
    is_card = attachment["contentType"] == _CARD and card["type"] == "AdaptiveCard" and card["body"]
    return None if is_card else "TriggerInputSchemaMismatch"


def _card_lines(payload: dict[str, Any]) -> list[str]:
    body = payload["attachments"][0]["content"]["body"]
    return ["".join(run["text"] for run in block["inlines"]) for block in body]


def _refuse_connector(request: web.Request, payload: dict[str, Any]) -> str | None:
    if payload.get("@type") != "MessageCard" or payload.get("@context") != "http://schema.org/extensions":
        return "Bad payload received by generic incoming webhook."
    return None if payload.get("summary") or payload.get("text") else "Summary or Text is required."


MSTEAMS_WORKFLOW = ChatProtocol(
    name="teams workflow",
    type="msteams",
    path="/workflows/abcdef0123456789/triggers/manual/paths/invoke?api-version=2016-06-01&sig=sig-secret",
    success=Answer(202, "", is_posted=True),
    refuse=_refuse_workflow,
    text_of=lambda payload: _card_lines(payload)[1],
    fields_of=lambda payload: dict(line.split(": ", 1) for line in _card_lines(payload)[2:]),
    refused=(
        _said(400, {"error": {"code": "WorkflowTriggerIsNotEnabled", "message": "The flow is off."}}),
        "400 WorkflowTriggerIsNotEnabled",
    ),
    limited=_said(429, {"error": {"code": "OperationRateLimitExceeded"}}, _WAIT),
)
MSTEAMS_CONNECTOR = ChatProtocol(
    name="teams connector",
    type="msteams",
    path="/webhookb2/a1b2@c3d4/IncomingWebhook/hook-secret/e5",
    success=Answer(200, "1", is_posted=True),
    refuse=_refuse_connector,
    text_of=lambda payload: str(payload["sections"][0]["activityTitle"]),
    fields_of=lambda payload: {fact["name"]: fact["value"] for fact in payload["sections"][0]["facts"]},
    refused=(
        Answer(
            200,
            "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 410 with "
            "ContextId tcid=0",
        ),
        "not delivered to Teams: 410",
    ),
    limited=Answer(429, "", _WAIT),
    host="contoso.webhook.office.com",
)


# Discord: webhooks; Slack's format at `/slack`. Its limits are those of messages and embeds.


def _refuse_discord(request: web.Request, payload: dict[str, Any]) -> str | None:
    [embed] = payload["embeds"]
    texts = [embed["author"]["name"], embed["description"]]
    texts += [text for field in embed["fields"] for text in (field["name"], field["value"])]
    is_long = (
        len(embed["description"]) > 4096
        or len(embed["fields"]) > 25
        or sum(map(len, texts)) > 6000
        or any(not 1 <= len(field["value"]) <= 1024 or len(field["name"]) > 256 for field in embed["fields"])
        or not 1 <= len(payload["username"]) <= 80
    )
    return '{"message": "Invalid Form Body", "code": 50035}' if is_long else None


DISCORD = ChatProtocol(
    name="discord",
    type="discord",
    path="/api/webhooks/223704706495545344/hook-secret",
    success=_said(200, {"id": "1", "type": 0}).posted(),
    refuse=_refuse_discord,
    text_of=lambda payload: str(payload["embeds"][0]["description"]),
    fields_of=lambda payload: {field["name"]: field["value"] for field in payload["embeds"][0]["fields"]},
    refused=(_said(404, {"message": "Unknown Webhook", "code": 10015}), "404 code 10015"),
    limited=_said(429, {"message": "You are being rate limited.", "retry_after": 30.0, "global": False}),
)
DISCORD_SLACK = ChatProtocol(
    name="discord as slack",
    type="discord",
    path="/api/webhooks/223704706495545344/hook-secret/slack",
    success=Answer(200, "ok", is_posted=True),
    refuse=_refuse_slack,
    text_of=_slack_text,
    fields_of=_slack_fields,
    refused=(_said(404, {"message": "Unknown Webhook", "code": 10015}), "404 code 10015"),
    limited=_said(429, {"message": "You are being rate limited.", "retry_after": 30.0, "global": False}),
)


# Rocket.Chat: incoming integrations.

ROCKET = ChatProtocol(
    name="rocket",
    type="rocket",
    path="/hooks/5f1e8c/hook-secret",
    success=_said(200, {"success": True}).posted(),
    refuse=_refuse_slack,
    text_of=_slack_text,
    fields_of=_slack_fields,
    refused=(_said(400, {"success": False, "error": "invalid-channel"}), "400 invalid-channel"),
    limited=_said(
        429,
        {
            "success": False,
            "error": "Error, too many requests. Please slow down. You must wait 30 seconds before trying this endpoint "
            "again. [error-too-many-requests]",
        },
    ),
)


# Google Chat: webhooks of spaces.


def _refuse_gchat(request: web.Request, payload: dict[str, Any]) -> str | None:
    if request.query.get("key") != "key-secret" or request.query.get("token") != "token-secret":
        return '{"error": {"code": 401, "status": "UNAUTHENTICATED"}}'
    if len(json.dumps(payload, ensure_ascii=False).encode()) > 32_000 or not payload.get("cardsV2"):
        return '{"error": {"code": 400, "status": "INVALID_ARGUMENT"}}'
    return None


def _widgets(payload: dict[str, Any]) -> list[dict[str, Any]]:
    widgets: list[dict[str, Any]] = payload["cardsV2"][0]["card"]["sections"][0]["widgets"]
    return widgets


GCHAT = ChatProtocol(
    name="gchat",
    type="gchat",
    path="/v1/spaces/AAAA/messages?key=key-secret&token=token-secret",
    success=_said(200, {"name": "spaces/AAAA/messages/1", "thread": {"name": "spaces/AAAA/threads/1"}}).posted(),
    refuse=_refuse_gchat,
    text_of=lambda payload: re.sub("<[^>]+>", "", _widgets(payload)[0]["textParagraph"]["text"]),
    fields_of=lambda payload: {
        widget["decoratedText"]["topLabel"]: widget["decoratedText"]["text"] for widget in _widgets(payload)[1:]
    },
    refused=(_said(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "x"}}), "404 NOT_FOUND"),
    limited=_said(429, {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, _WAIT),
)


# Ours.


def _refuse_plain(request: web.Request, payload: dict[str, Any]) -> str | None:
    return None if request.headers.get("Authorization") == "Bearer webhook-token-secret" else "no"


WEBHOOK = ChatProtocol(
    name="webhook",
    type="webhook",
    path="/alerts/hook-secret",
    success=Answer(204, "", is_posted=True),
    refuse=_refuse_plain,
    text_of=lambda payload: str(payload["text"]),
    fields_of=lambda payload: {field["name"]: field["value"] for field in payload["fields"]},
    refused=(Answer(404, "whatever it says"), "404"),
    limited=Answer(429, "", _WAIT),
    token="webhook-token-secret",
)

PROTOCOLS: Sequence[ChatProtocol] = (
    SLACK_HOOK,
    SLACK_BOT,
    MSTEAMS_WORKFLOW,
    MSTEAMS_CONNECTOR,
    DISCORD,
    DISCORD_SLACK,
    ROCKET,
    GCHAT,
    WEBHOOK,
)
