"""From a failed answer, an HTTP code and mostly a `Status` object, to an error of kube.errors."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from kube.errors import (
    AlreadyExists,
    Cause,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    PermanentError,
    Rejected,
    TransientError,
    Unauthorized,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kube.resource import Object, Resource

# `reason` says more than the code: 409 is Conflict or AlreadyExists, 403 and 400 may come from a webhook.
_BY_REASON: dict[str, type[KubeError]] = {
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "Conflict": Conflict,
    "Forbidden": Forbidden,
    "Unauthorized": Unauthorized,
    "Gone": Gone,
    "Expired": Gone,
    "Invalid": Invalid,
    "BadRequest": Invalid,
}
_BY_CODE: dict[int, type[KubeError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: Unavailable,
}
_OVERLOAD = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT},
)
_LONGEST_MESSAGE = 500


def error_from_answer(
    code: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    resource: Resource | None = None,
    namespace: str | None = None,
    name: str | None = None,
) -> KubeError:
    """Return the error for an answer with a code of 300 or more."""
    return error_from_status(
        _status_object(code, body),
        retry_after_s=_seconds(headers.get("Retry-After")),
        resource=resource,
        namespace=namespace,
        name=name,
    )


def error_from_status(
    status: Object,
    *,
    retry_after_s: float = 0.0,
    resource: Resource | None = None,
    namespace: str | None = None,
    name: str | None = None,
) -> KubeError:
    """Return the error for a `Status` object: an answer's body, or the object of a watch's ERROR event."""
    code = int(status.get("code") or 500)
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or "the answer says nothing more")
    details = status.get("details") or {}
    if code == HTTPStatus.NOT_FOUND and resource is not None and not details:
        # A missing object is named in `details`; this is about the kind.
        message = f"the server does not serve {resource.plural} of {resource.api_version}: is its CRD installed?"
    causes = tuple(
        Cause(str(cause.get("field") or ""), str(cause.get("message") or "")) for cause in details.get("causes") or ()
    )
    error = _error_class(code, reason, message)(
        message, status=code, reason=reason, causes=causes, resource=resource, namespace=namespace, name=name
    )
    if isinstance(error, TransientError):
        error.retry_after_s = max(retry_after_s, _seconds(details.get("retryAfterSeconds")))
        # The server refuses with 429 and 401 before it does anything.
        error.is_without_effect = code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}
        # A webhook chooses its code, too, and in whose time it says so.
        error.is_overload = code in _OVERLOAD and "webhook" not in message and not _is_from_admission(message)
    return error


def _error_class(code: int, reason: str, message: str) -> type[KubeError]:
    is_refused = code < HTTPStatus.INTERNAL_SERVER_ERROR and code != HTTPStatus.TOO_MANY_REQUESTS
    if is_refused and _is_from_admission(message):
        return Rejected
    if not is_refused:
        return Unavailable
    return _BY_REASON.get(reason) or _BY_CODE.get(code, PermanentError)


def _is_from_admission(message: str) -> bool:
    # Webhooks and policies choose code and reason themselves, so only the API server's own words around theirs tell.
    is_webhook = "admission webhook" in message and "denied the request" in message
    return is_webhook or ("ValidatingAdmissionPolicy" in message and "denied request" in message)


def _status_object(code: int, body: bytes) -> Object:
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return {**status, "code": status.get("code") or code}
    # Proxies, load balancers and unknown paths answer in plain text.
    text = " ".join(body[:_LONGEST_MESSAGE].decode(errors="replace").split())
    return {"code": code, "message": text}


def _seconds(value: Any) -> float:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        return 0.0
