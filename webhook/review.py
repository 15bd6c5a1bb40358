"""AdmissionReview v1: the API server's question, read from bytes, and our answer, written as bytes.

Source: k8s.io/api/admission/v1, and the API server's limits on warnings (staging/src/k8s.io/apiserver,
`pkg/endpoints/filters/warning.go`): 256 runes are safe for each, 4096 for all.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from canary.api.bounds import MOST_REVIEW_VALUES
from kube.json_text import loads

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"
OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE", "CONNECT")

WARNING_CHARS: Final = 256
WARNINGS_CHARS: Final = 4096
_ROOM_FOR_THE_REST: Final = 64

Object: TypeAlias = dict[str, Any]
Operation: TypeAlias = Mapping[str, Any]
"""One operation of a JSON patch (RFC 6902)."""


class BadReview(ValueError):  # noqa: N818  reads as what it is
    """The bytes are no AdmissionReview of v1: the answer is a 400 that says what is wrong."""


class GroupVersionKind(NamedTuple):
    """`group` is "" for the core group."""

    group: str
    version: str
    kind: str


class Cause(NamedTuple):
    """One problem that refuses an object. `field` is a path such as `spec.analysis.metrics[1].interval`."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


class Request(NamedTuple):
    """What the API server asks about.

    `object` is the object as it would be stored (empty on DELETE), `old_object` as it is (empty on CREATE). `kind` is
    that of `object`, which is a Scale for the subresource `scale`; `resource` is the plural, `subresource` "" for the
    object itself. `name` is empty where the server has yet to generate it. `extra` is what else an authenticator knows
    of the user, for who judges rights.
    """

    uid: str
    operation: str
    kind: GroupVersionKind
    resource: str
    subresource: str
    namespace: str
    name: str
    username: str
    groups: tuple[str, ...]
    object: Object
    old_object: Object
    options: Object
    extra: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is denied.

    kubectl prints `The {kind} "{name}" is invalid:` and a line for each cause; `message` is what other clients show.
    """

    message: str
    causes: tuple[Cause, ...] = ()
    kind: str = ""
    name: str = ""
    code: int = 422
    reason: str = "Invalid"


class Answer(NamedTuple):
    """Our answer: allowed unless there is a refusal. A refusal carries no patch; warnings go with either."""

    patch: tuple[Operation, ...] = ()
    warnings: tuple[str, ...] = ()
    refusal: Refusal | None = None

    @property
    def is_allowed(self) -> bool:
        """Return whether the request may go on."""
        return self.refusal is None


ALLOWED: Final = Answer()
"""Go on, without a warning."""


def parse_review(body: bytes) -> Request:
    """Read a review.

    Raises:
        BadReview: not JSON, another kind or version, or a field that is missing or of another type.
    """
    values = sum(map(body.count, (b",", b"{", b"[")))
    if values > MOST_REVIEW_VALUES:  # before they take two hundred bytes each
        raise BadReview(f"the body has {values} values; allowed: at most {MOST_REVIEW_VALUES}")
    try:
        review = loads(body)
    except orjson.JSONDecodeError as error:
        raise BadReview(f"the body is not JSON: {error}") from error
    if not isinstance(review, dict):
        raise BadReview(f"the body is {_type(review)}; allowed: an {KIND} object")
    for field, allowed in (("apiVersion", API_VERSION), ("kind", KIND)):
        if review.get(field) != allowed:
            raise BadReview(f"{field}: found {_shown(review.get(field))}; allowed: {allowed!r}")
    request = _mapping(review, "request")
    if not request:
        raise BadReview("request: found nothing; allowed: an object")
    kind, resource = _mapping(request, "kind"), _mapping(request, "resource")
    user = _mapping(request, "userInfo")
    return Request(
        uid=_filled(request, "uid"),
        operation=_one_of(request, "operation", OPERATIONS),
        kind=GroupVersionKind(_text(kind, "group"), _text(kind, "version"), _text(kind, "kind")),
        resource=_text(resource, "resource"),
        subresource=_text(request, "subResource"),
        namespace=_text(request, "namespace"),
        name=_text(request, "name"),
        username=_text(user, "username"),
        groups=_texts(user, "groups"),
        object=_mapping(request, "object"),
        old_object=_mapping(request, "oldObject"),
        options=_mapping(request, "options"),
        extra=_mapping(user, "extra"),
    )


def render_review(uid: str, answer: Answer) -> bytes:
    """Write the answer to the request of that uid."""
    response: Object = {"uid": uid, "allowed": answer.is_allowed}
    if answer.refusal is not None:
        response["status"] = _status(answer.refusal)
    elif answer.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(answer.patch)).decode()
    if answer.warnings:
        response["warnings"] = fit_warnings(answer.warnings)
    return orjson.dumps({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def fit_warnings(warnings: Sequence[str]) -> list[str]:
    """Return each warning as one line of 256 characters; the last ones beyond 4096 in all are dropped and counted."""
    lines = [line for warning in warnings if (line := _one_line(warning))]
    if sum(map(len, lines)) <= WARNINGS_CHARS:
        return lines
    kept: list[str] = []
    room = WARNINGS_CHARS - _ROOM_FOR_THE_REST
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        kept.append(line)
    return [*kept, f"and {len(lines) - len(kept)} more warnings"]


def _one_line(warning: str) -> str:
    if not warning.isprintable():
        warning = "".join(char if char.isprintable() else " " for char in warning)
    line = " ".join(warning.split())
    return line if len(line) <= WARNING_CHARS else f"{line[: WARNING_CHARS - 3]}..."


def _status(refusal: Refusal) -> Object:
    causes = [{"field": cause.field, "message": cause.message, "reason": cause.reason} for cause in refusal.causes]
    return {
        "status": "Failure",
        "code": refusal.code,
        "reason": refusal.reason,
        "message": refusal.message,
        "details": {"kind": refusal.kind, "name": refusal.name, "causes": causes},
    }


def _mapping(holder: Object, field: str) -> Object:
    found = holder.get(field)
    if isinstance(found, dict):
        return found
    if found is None:
        return {}
    raise BadReview(f"{field}: found {_type(found)}; allowed: an object")


def _text(holder: Object, field: str) -> str:
    found = holder.get(field)
    if isinstance(found, str):
        return found
    if found is None:
        return ""
    raise BadReview(f"{field}: found {_shown(found)}; allowed: a string")


def _filled(holder: Object, field: str) -> str:
    found = _text(holder, field)
    if not found:
        raise BadReview(f"{field}: found {_shown(holder.get(field))}; allowed: a string")
    return found


def _texts(holder: Object, field: str) -> tuple[str, ...]:
    found = holder.get(field) or []
    if not isinstance(found, list):
        raise BadReview(f"{field}: found {_type(found)}; allowed: a list of strings")
    return tuple(item for item in found if isinstance(item, str))


def _one_of(holder: Object, field: str, allowed: tuple[str, ...]) -> str:
    found = _text(holder, field)
    if found not in allowed:
        raise BadReview(f"{field}: found {_shown(found)}; allowed: {', '.join(allowed)}")
    return found


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return _type(value)
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004  a taste of it is enough


def _type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
