"""Who asks for promote, abort, ...: written beside the request as it is applied, and by nobody else.

The mark is a function of the object, the stored object and the user, so a dry run, a retry and a second pass after
another mutating webhook give the same patch.
"""

from collections.abc import Mapping
from typing import Any

from canary.api.problems import Problem, field_path
from canary.run.request import MalformedRequest, requester_mark, split_claim
from canary.run.request import Request as CanaryRequest
from canary.run.wire import REQUEST_ANNOTATION, REQUESTED_BY_ANNOTATION
from render.json_patch import Operation, pointer, put_entries, remove
from webhook.review import Object, Request

_CLAIMED = "a request without #, by which the agent marks what it has taken up"


def mark_requester(request: Request) -> tuple[Operation, ...]:
    """Return the patch that makes the mark right.

    Who leaves a request as it is neither becomes the one who asked, nor removes or forges who did; nor does the agent,
    which claims it.
    """
    if request.operation not in {"CREATE", "UPDATE"} or request.subresource:
        return ()
    asked, mark = _annotation(request.object, REQUEST_ANNOTATION), _annotation(request.object, REQUESTED_BY_ANNOTATION)
    wanted = ""
    if new_request(request):
        wanted = requester_mark(asked, request.username)
    elif asked:
        wanted = _annotation(request.old_object, REQUESTED_BY_ANNOTATION)
    if wanted == mark or not isinstance(request.object.get("metadata"), dict):
        return ()
    if wanted:
        return tuple(put_entries(request.object, ("metadata", "annotations"), {REQUESTED_BY_ANNOTATION: wanted}))
    return (remove(pointer("metadata", "annotations", REQUESTED_BY_ANNOTATION)),)


def new_request(request: Request) -> str:
    """Return the request that is written with this object, empty where there is none, or the one of before.

    One of before that is claimed now is none that is new, and the same text without its claim is.
    """
    asked, before = (_annotation(obj, REQUEST_ANNOTATION) for obj in (request.object, request.old_object))
    text, claim = split_claim(asked)
    is_claimed_now = claim != "" and before != "" and split_claim(before)[0] == text
    return "" if asked == before or is_claimed_now else asked


def request_problems(request: Request) -> tuple[Problem, ...]:
    """Return what is wrong with the text of a request that is written now: the agent would refuse it later."""
    asked = new_request(request)
    if not asked:
        return ()
    path = field_path("metadata", "annotations", REQUEST_ANNOTATION)
    if split_claim(asked)[0] != asked:
        return (Problem(path, asked, _CLAIMED),)
    try:
        CanaryRequest.parse(asked)
    except MalformedRequest as error:
        return (Problem(path, asked, str(error)),)
    return ()


def _annotation(obj: Object, name: str) -> str:
    found: Any = obj
    for part in ("metadata", "annotations", name):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else ""
