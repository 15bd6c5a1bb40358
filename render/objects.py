"""Kubernetes objects as plain dicts, and the error for one that can't be used."""

from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
"""The body of a Kubernetes object, as in its JSON."""


class UnusableObjectError(ValueError):
    """An object of the user's that nothing can be rendered from: permanent until somebody edits it.

    `reason` is that of the condition `Ready`.
    """

    def __init__(self, obj: Object, path: str, *, found: object, allowed: str, reason: str = "TargetUnusable") -> None:
        self.path = path
        self.found = found
        self.allowed = allowed
        self.reason = reason
        super().__init__(f"{describe(obj)} {path}: found {found!r}; allowed: {allowed}")


def describe(obj: Object) -> str:
    """Name an object as messages do: `Deployment test/podinfo`."""
    metadata = obj.get("metadata") or {}
    return f"{obj.get('kind', 'object')} {metadata.get('namespace')}/{metadata.get('name')}"
