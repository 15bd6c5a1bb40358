"""Whether somebody may ask for promote, abort, ...: a virtual verb on canaries, which the API server is asked about.

Only if configured. Who may patch a Canary may then not yet promote it: that takes a Role with `verbs: [promote]` for
`canaries`. It is the one thing that the webhook asks the API server in a review, and where that gives no answer the
request is refused: another one soon succeeds, and `abort` works as well by `spec.suspend` and by the old image.
"""

import asyncio
import logging
from typing import Final, Protocol

from canary.run.request import MalformedRequest
from canary.run.request import Request as CanaryRequest
from canary.run.wire import REQUEST_ANNOTATION
from kube.resource import SUBJECT_ACCESS_REVIEWS, Object, Resource
from webhook.requesters import new_request
from webhook.resources import CANARIES
from webhook.review import ALLOWED, Answer, Refusal, Request

_log = logging.getLogger(__name__)

ENTRY: Final = "/validate/requests"

_WITHIN_S: Final = 1.5
"""For the API server's answer; it waits 2 s for ours."""


class ApiServer(Protocol):
    """What is needed of `kube.client.Client`."""

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        """Create an object; a review comes back with its answer."""


class RequestRights:
    """Judges requests by the rights of who writes them."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api

    async def judge(self, request: Request) -> Answer:
        """Return whether the request, if there is a new one, may be written by this user."""
        if request.operation not in {"CREATE", "UPDATE"} or request.subresource:
            return ALLOWED
        try:
            verb = CanaryRequest.parse(new_request(request)).verb
        except MalformedRequest:
            return ALLOWED  # there is none, or it is refused for what it is
        try:
            async with asyncio.timeout(_WITHIN_S):
                review = await self._api.create(SUBJECT_ACCESS_REVIEWS, _review(request, verb))
            is_allowed = review["status"]["allowed"] is True
        except Exception:  # noqa: BLE001  whatever it is, nobody said that this user may
            _log.exception("may %s %s %s/%s? no answer", request.username, verb, request.namespace, request.name)
            return _refused(
                request, f"found {new_request(request)!r}; allowed: a later try, nobody says who may now", 503
            )
        if is_allowed:
            return ALLOWED
        text = f"users with the verb {verb} on {CANARIES.plural}.{CANARIES.group}; {request.username} has it not"
        return _refused(request, f"found {new_request(request)!r}; allowed: {text}", 403)


def _review(request: Request, verb: str) -> Object:
    resource = {
        "namespace": request.namespace,
        "verb": verb,
        "group": CANARIES.group,
        "version": CANARIES.version,
        "resource": CANARIES.plural,
        "name": request.name,
    }
    spec = {"user": request.username, "groups": list(request.groups), "resourceAttributes": resource}
    extra = {key: values for key, values in request.extra.items() if isinstance(values, list)}
    return {
        "apiVersion": SUBJECT_ACCESS_REVIEWS.api_version,
        "kind": SUBJECT_ACCESS_REVIEWS.kind,
        "spec": spec | ({"extra": extra} if extra else {}),
    }


def _refused(request: Request, text: str, code: int) -> Answer:
    path = f"metadata.annotations[{REQUEST_ANNOTATION}]"
    message = f"{CANARIES.kind} {request.namespace}/{request.name} {path}: {text}"
    reason = "Forbidden" if code == 403 else "ServiceUnavailable"  # noqa: PLR2004  HTTP's own numbers
    return Answer(refusal=Refusal(message, kind=CANARIES.kind, name=request.name, code=code, reason=reason))
