# ruff: noqa: N818  named by what the API server calls them: NotFound, Conflict, Gone
"""What can go wrong in a request to the API server.

KubeError
├── TransientError            it may succeed later, unchanged
│   ├── Unavailable           no answer, a late one, 5xx, 429
│   └── Unauthorized          401: a token that expires is replaced by its owner
├── Unread                    a cache knows that there is such an object, and no more: read it
├── Conflict                  the object is not what the caller read: read again, then decide again
│   └── PreconditionFailed    a `test` of a JSON patch did not hold
└── PermanentError            the same request will get the same answer
    ├── ConfigError           no usable kubeconfig or service account
    ├── NotFound, AlreadyExists, Forbidden, Gone
    ├── Invalid               the object was refused; `causes` name the fields
    ├── Rejected              an admission webhook refused it
    └── Lost                  it was accepted, but the answer does not have it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kube.resource import Resource


class Cause(NamedTuple):
    """One reason of a refusal. `field` is a path such as `spec.replicas`, or "" where the server names none."""

    field: str
    message: str


class KubeError(Exception):
    """A failed request, and the object that it was about.

    `status` is the HTTP code (None: no answer was read), `reason` the server's one-word reason ("" if none).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reason: str = "",
        causes: Sequence[Cause] = (),
        resource: Resource | None = None,
        namespace: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.causes = tuple(causes)
        self.resource = resource
        self.namespace = namespace
        self.name = name

    def __str__(self) -> str:
        code = " ".join(str(part) for part in (self.status, self.reason) if part)
        return f"{self._about()}: {self.message}" + (f" ({code})" if code else "")

    def _about(self) -> str:
        if self.resource is None:
            return "API server"
        if self.name is None:
            what = self.resource.plural
            return f"{what} of namespace {self.namespace}" if self.namespace else what
        return f"{self.resource.kind} " + (f"{self.namespace}/{self.name}" if self.namespace else self.name)


class TransientError(KubeError):
    """It may succeed later. `retry_after_s` is the delay that the server asked for (0: none).

    `is_without_effect`: the request is known to have changed nothing, so that even a create may be sent again.
    `is_overload`: the API server itself has too much to do, or is not up; no admission webhook said so.
    """

    retry_after_s: float = 0.0
    is_without_effect: bool = False
    is_overload: bool = False


class Unavailable(TransientError):
    """No answer, an answer that came too late or broke off, 5xx, or 429."""


class BrokenOff(Unavailable):
    """The server had begun to answer, and the connection went before it had ended."""


class Unauthorized(TransientError):
    """The server does not know the token or certificate (401)."""


class Unread(KubeError):
    """A cache keeps no more than an outline of the object, for nobody used it so far. No request was made."""


class Conflict(KubeError):
    """The object changed since it was read, or another field manager owns the field (409)."""


class PreconditionFailed(Conflict):
    """A `test` operation of a JSON patch did not hold, or a path was not there; nothing was changed (422)."""


class PermanentError(KubeError):
    """The same request will get the same answer."""


class ConfigError(PermanentError):
    """Neither a service account nor a kubeconfig that says how to reach the API server."""


class NotFound(PermanentError):
    """The object, its namespace or its kind does not exist (404)."""


class AlreadyExists(PermanentError):
    """An object of that name exists (409)."""


class Forbidden(PermanentError):
    """RBAC, a quota, or a namespace that is being deleted (403)."""


class Gone(PermanentError):
    """The resourceVersion is no longer kept: list again (410)."""


class Invalid(PermanentError):
    """The object was refused (422, 400); `causes` name the fields."""


class Rejected(PermanentError):
    """An admission webhook or policy refused it; `message` says why."""


class Lost(PermanentError):
    """It was accepted, but the answer does not have it: a schema, a webhook or another controller took it away."""
