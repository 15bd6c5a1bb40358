"""Patches of the Canary itself: its request annotation and its finalizer. Nothing else of it is ever written."""

import secrets
from typing import Final

from canary.run.action import ClaimRequest, DropRequest, SetFinalizer
from canary.run.request import claimed
from canary.run.wire import FINALIZER, REQUEST_ANNOTATION, REQUESTED_BY_ANNOTATION
from kube.resource import Object
from render.json_patch import Operation, pointer, put, remove, test, unchanged

_ANNOTATION_PATH: Final = pointer("metadata", "annotations", REQUEST_ANNOTATION)
_FINALIZERS_PATH: Final = "/metadata/finalizers"


def canary_patch(obj: Object, action: ClaimRequest | DropRequest | SetFinalizer) -> list[Operation]:
    """Return the patch of the Canary `obj`, as it was read; it is refused where that is not how it is any more."""
    match action:
        case ClaimRequest(text):
            return [test(_ANNOTATION_PATH, text), put(_ANNOTATION_PATH, claimed(text, secrets.token_hex(4)))]
        case DropRequest(text):
            is_marked = REQUESTED_BY_ANNOTATION in (obj["metadata"].get("annotations") or {})
            mark = [remove(pointer("metadata", "annotations", REQUESTED_BY_ANNOTATION))] if is_marked else []
            return [test(_ANNOTATION_PATH, text), remove(_ANNOTATION_PATH), *mark]
        case SetFinalizer(is_set):
            return _finalizer_patch(obj, is_set=is_set)


def lost_of_patch(answer: Object, action: ClaimRequest | DropRequest | SetFinalizer) -> str:
    """Return what of a patch is not in the API server's answer to it, empty where all of it is."""
    found = (answer["metadata"].get("annotations") or {}).get(REQUEST_ANNOTATION)
    match action:
        case ClaimRequest(text):
            return f"metadata.annotations[{REQUEST_ANNOTATION}]" if found in {None, text} else ""
        case DropRequest(text):
            return f"metadata.annotations[{REQUEST_ANNOTATION}]" if found == text else ""
        case SetFinalizer(is_set):
            return f"metadata.finalizers[{FINALIZER}]" if has_finalizer(answer) != is_set else ""


def has_finalizer(obj: Object) -> bool:
    """Return whether the deletion of the Canary waits for us."""
    return FINALIZER in (obj["metadata"].get("finalizers") or ())


def _finalizer_patch(obj: Object, *, is_set: bool) -> list[Operation]:
    if has_finalizer(obj) == is_set:
        return []
    others = [name for name in obj["metadata"].get("finalizers") or () if name != FINALIZER]
    return [*unchanged(obj), put(_FINALIZERS_PATH, [*others, FINALIZER] if is_set else others)]
