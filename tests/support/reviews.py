"""Admission reviews for tests: as the API server would ask, and the context that the webhook answers from."""

from collections.abc import Iterable
from typing import Any

import orjson

from kube.store import Change, key_of
from tests.support.json_patch import apply_patch
from webhook.canary_index import CanaryIndex
from webhook.context import AdmissionContext
from webhook.review import Answer, GroupVersionKind, Request

Object = dict[str, Any]


def review(
    obj: Object | None,
    old: Object | None = None,
    *,
    user: str = "alice",
    subresource: str = "",
    resource: str = "",
    dry_run: bool = False,
) -> Object:
    """Return a review of a CREATE (no `old`), an UPDATE, or a DELETE (no `obj`)."""
    about = obj or old or {}
    group, _, version = str(about.get("apiVersion", "apps/v1")).rpartition("/")
    kind = str(about.get("kind", "Deployment"))
    operation = "CREATE" if not old else "UPDATE" if obj else "DELETE"
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": resource or f"{kind.lower()}s"},
            **({"subResource": subresource} if subresource else {}),
            "name": about.get("metadata", {}).get("name", ""),
            "namespace": about.get("metadata", {}).get("namespace", ""),
            "operation": operation,
            "userInfo": {"username": user, "groups": ["system:authenticated"]},
            "object": obj,
            "oldObject": old,
            "dryRun": dry_run,
            "options": {"kind": f"{operation.capitalize()}Options", "apiVersion": "meta.k8s.io/v1"},
        },
    }


def request(obj: Object | None, old: Object | None = None, **more: Any) -> Request:
    """Return the request of a review, parsed."""
    asked = review(obj, old, **more)["request"]
    return Request(
        uid=asked["uid"],
        operation=asked["operation"],
        kind=GroupVersionKind(**asked["kind"]),
        resource=asked["resource"]["resource"],
        subresource=asked.get("subResource", ""),
        namespace=asked["namespace"],
        name=asked["name"],
        username=asked["userInfo"]["username"],
        groups=tuple(asked["userInfo"]["groups"]),
        object=asked["object"] or {},
        old_object=asked["oldObject"] or {},
        options=asked["options"],
    )


def review_bytes(obj: Object | None, old: Object | None = None, **more: Any) -> bytes:
    """Return a review as it comes over the wire."""
    return orjson.dumps(review(obj, old, **more))


def stored(obj: Object, answer: Answer) -> Object:
    """Return the object as the API server stores it after the answer."""
    assert answer.is_allowed
    return apply_patch(obj, [dict(operation) for operation in answer.patch])


def canary_object(name: str = "podinfo", *, phase: str = "Initialized", **spec: Any) -> Object:
    """Return a Canary of namespace test whose target is the Deployment of its name."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"namespace": "test", "name": name},
        "spec": {"targetRef": target, **spec},
        "status": {"phase": phase},
    }


def context_of(canaries: Iterable[Object] = ()) -> AdmissionContext:
    """Return a context that knows these canaries, and nothing else."""
    index = CanaryIndex()
    for canary in canaries:
        index.take(Change(key_of(canary), None, canary))
    return AdmissionContext(index)
