"""Applying a JSON patch (RFC 6902) as the API server does: all of it or, when a test fails, nothing."""

from typing import Any

import jsonpatch
from jsonpointer import JsonPointerException


class PatchRefused(Exception):  # noqa: N818  reads as the fact it is
    """A test failed, or a path does not lead anywhere."""


def apply_patch(obj: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a patched copy. Raises PatchRefused."""
    try:
        patched: dict[str, Any] = jsonpatch.apply_patch(obj, operations)
    except (jsonpatch.JsonPatchException, JsonPointerException) as error:  # the second: a parent is missing
        raise PatchRefused(f"{operations}: {error}") from error
    return patched
