"""From the bytes of a review to the bytes of its answer. Pure, and total: no bytes and no handler can make it raise."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Literal, NamedTuple, TypeAlias

from webhook.context import AdmissionContext, Handler
from webhook.review import Answer, BadReview, Request, parse_review, render_review

_log = logging.getLogger(__name__)

AwaitedHandler: TypeAlias = Callable[[Request], Awaitable[Answer]]
"""Answers one entry's requests with what it asks the API server; whatever fails, it answers."""

Outcome: TypeAlias = Literal["allowed", "patched", "warned", "denied", "failed", "refused"]

FAILED: Final = "Serin's webhook could not look at this object and let it pass: see the log of serin-webhook."


class Reply(NamedTuple):
    """`status` is 200, or 400 with a text that says what is wrong; `operation` is "" then."""

    status: HTTPStatus
    body: bytes
    operation: str
    outcome: Outcome


def handle_review(body: bytes, handler: Handler, context: AdmissionContext) -> Reply:
    """Return the reply to a review. A handler that fails allows the request, with a warning: we never block others."""
    try:
        request = parse_review(body)
    except BadReview as error:
        return Reply(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), "", "refused")
    try:
        answer = handler(request, context)
        review = render_review(request.uid, answer)
    except Exception:  # noqa: BLE001  whatever it is, the user's apply goes on
        about = f"{request.operation} {request.kind.kind} {request.namespace}/{request.name}"
        _log.exception("%s let pass: an error of ours", about)
        answer = Answer(warnings=(FAILED,))
        return Reply(HTTPStatus.OK, render_review(request.uid, answer), request.operation, "failed")
    return Reply(HTTPStatus.OK, review, request.operation, _outcome(answer))


async def handle_awaited(body: bytes, handler: AwaitedHandler) -> Reply:
    """Return the reply to a review that takes an answer of the API server's. The handler itself is total."""
    try:
        request = parse_review(body)
    except BadReview as error:
        return Reply(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), "", "refused")
    answer = await handler(request)
    return Reply(HTTPStatus.OK, render_review(request.uid, answer), request.operation, _outcome(answer))


def _outcome(answer: Answer) -> Outcome:
    if not answer.is_allowed:
        return "denied"
    if answer.patch:
        return "patched"
    return "warned" if answer.warnings else "allowed"
