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


def mark_requester(request: Request, agent: str) -> tuple[Operation, ...]:
    """Return the patch that makes the mark right; none for what the agent writes.

    Who leaves a request as it is neither becomes the one who asked, nor removes or forges who did.
    """
    if request.operation not in {"CREATE", "UPDATE"} or request.subresource or request.username == agent:
        return ()
    asked, mark = _annotation(request.object, REQUEST_ANNOTATION), _annotation(request.object, REQUESTED_BY_ANNOTATION)
    wanted = ""
    if asked and asked == _annotation(request.old_object, REQUEST_ANNOTATION):
        wanted = _annotation(request.old_object, REQUESTED_BY_ANNOTATION)
    elif asked:
        wanted = requester_mark(asked, request.username)
    if wanted == mark or not isinstance(request.object.get("metadata"), dict):
        return ()
    if wanted:
        return tuple(put_entries(request.object, ("metadata", "annotations"), {REQUESTED_BY_ANNOTATION: wanted}))
    return (remove(pointer("metadata", "annotations", REQUESTED_BY_ANNOTATION)),)


def new_request(request: Request) -> str:
    """Return the request that is written with this object, empty where there is none, or the one of before."""
    asked = _annotation(request.object, REQUEST_ANNOTATION)
    return "" if asked == _annotation(request.old_object, REQUEST_ANNOTATION) else asked


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
