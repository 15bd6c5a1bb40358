"""What is sent to others: the bodies of hooks and chats, made by the code that sends them."""

import json
from dataclasses import replace
from typing import Any, Final

from agent.providers.alerts.message import message_of
from agent.providers.alerts.port import Destination
from agent.providers.alerts.registry import CHAT_FORMATS
from agent.providers.hooks import payload
from agent.providers.web.signature import SIGNATURE_HEADER, signature
from canary.api.hooks import HOOK_TYPES
from canary.run.mark import Mark
from canary.run.messages import rolling_back
from tests.support.canaries import canary
from tests.support.reference.page import block, code, codes, page, section

_REVISION: Final = "3f2a9c0d11e4b7a6"
_NOW_S: Final = 1_796_050_800.0

_CHATS: Final = (
    ("Slack", "slack", "https://chat.test/hook", "With a token the same goes to `chat.postMessage`."),
    ("Teams: a workflow", "msteams", "https://prod-1.westeurope.logic.azure.com/workflows/1", "An Adaptive Card."),
    ("Teams: a connector", "msteams", "https://contoso.webhook.office.com/webhookb2/1", "A MessageCard, as Flagger's."),
    ("Discord", "discord", "https://discord.com/api/webhooks/1/x", "Where the address ends in `/slack`: as for Slack."),
    ("Rocket.Chat", "rocket", "https://rocket.test/hooks/1", "As for Slack, in other colours."),
    ("Google Chat", "gchat", "https://chat.googleapis.com/v1/spaces/A/messages?key=k", "A card of version 2."),
    (
        "A webhook",
        "webhook",
        "https://receiver.test/",
        "All that is known, signed as hooks are, with the key of the AlertProvider's namespace. Keys may be added.",
    ),
)
"""Title, type, address, and what there is to say of it."""


def calls_page() -> str:
    """Return the page of the bodies."""
    guides = canary()
    assert guides.analysis is not None
    hook = guides.analysis.webhooks[0]
    asked = payload(guides, hook.metadata, phase="Progressing", revision=_REVISION)
    told = payload(guides, _event(), phase="Progressing", revision=_REVISION)
    [header] = signature("the agent's key", "test", b"{}", _NOW_S).values()
    return page(
        "What hooks and chats are sent",
        "Each call is a POST with a JSON body. When each type of hook is called, and what its answer does, is in "
        "[hooks](../concepts/hooks.md).",
        section(
            "Hooks that are asked",
            f"{codes(kind for kind in HOOK_TYPES if kind != 'event')}. `metadata` is the hook's own from the "
            "spec, left out where it has none; `checksum` is another one for each revision. A code of 202 or "
            "less is a yes; 3xx and no answer are neither yes nor no; anything else is a no.",
            block("json", _json(asked)),
        ),
        section(
            "Hooks for events",
            f"Type {code('event')}, and `--event-webhook`. The metadata of the spec stands beside these three; "
            "`timestamp` is in milliseconds.",
            block("json", _json(told)),
        ),
        section(
            "The signature",
            "With a key ([who calls](../concepts/hooks.md)) each call has this header; the HMAC is that of `t`, "
            "a dot and the body.",
            block("text", f"{SIGNATURE_HEADER}: {header}"),
        ),
        *(
            section(title, f"{about} The alert of a rollback.", block("json", _json(_alert(type_, address))))
            for title, type_, address, about in _CHATS
        ),
    )


def _event() -> dict[str, str]:
    return {
        "eventMessage": "Advance podinfo.test canary weight 20",
        "eventType": "Normal",
        "timestamp": str(int(_NOW_S * 1000)),
    }


def _alert(type_: str, address: str) -> dict[str, Any]:
    guides = canary()
    alert = rolling_back("podinfo.test", "failed checks threshold reached 5", "success rate 69.17% < 99%").alert
    assert alert is not None
    change = Mark(_REVISION, "podinfod image 3.1.0 -> 3.1.1", "alice")
    known = replace(alert, change=change, revision=_REVISION, id="12.1", at_s=_NOW_S)
    destination = Destination(name="chat", type=type_, address=address, channel="deployments")
    message = message_of(guides, known, "production", "1c7f3d52-4f0e-4b0a-9a55-0e6a4b1c2d3e")
    return CHAT_FORMATS[type_].payload(message, destination)


def _json(body: object) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)
