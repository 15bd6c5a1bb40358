"""Pydantic's errors as problems: the field's path, the value found, and what is allowed."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from canary.api.problems import Problem, field_path

_ALLOWED = {
    "missing": "a value, for it is required",
    "string_type": "a text",
    "string_unicode": "a text of Unicode characters",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "tuple_type": "a list",
    "invalid_key": "a field name that is a text",
}

Location = tuple[str | int, ...]


def read_problems(error: ValidationError) -> tuple[Problem, ...]:
    """Return every error as a Problem, in the order of the object."""
    return tuple(
        Problem(path=field_path(*location(details)), found=_found(details), allowed=_allowed(details))
        for details in error.errors(include_url=False)
    )


def location(details: ErrorDetails) -> Location:
    """Return where the value stands in the object; pydantic's marker for a faulty key is no part of it."""
    return tuple(part for part in details["loc"] if part != "[key]")


def prune(obj: Any, details: ErrorDetails) -> bool:
    """Take the faulty value out of the object (in place), so that the rest can be checked. Return whether it was.

    What lacks a required field goes with it, and a list goes whole: without an entry the others' paths would be wrong.
    """
    at = location(details)
    if details["type"] == "missing":
        at = at[:-1]
    while at and isinstance(at[-1], int):
        at = at[:-1]
    holder = obj
    for part in at[:-1]:
        if part not in holder and not isinstance(part, int):
            return False
        holder = holder[part]
    return bool(at) and holder.pop(at[-1], None) is not None


def _found(details: ErrorDetails) -> object:
    return None if details["type"] == "missing" else details["input"]


def _allowed(details: ErrorDetails) -> str:
    context: Mapping[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "not_allowed":
            return str(context["allowed"])
        case "literal_error":
            return f"one of {context['expected']}"
        case "greater_than_equal":
            return f"{context['ge']} or more"
        case known:
            return _ALLOWED.get(known, "a value of another kind")
