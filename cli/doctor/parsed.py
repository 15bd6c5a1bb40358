"""Stored objects as their users wrote them. Their rules cost time, and the agent has judged them: Ready says how."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

T = TypeVar("T", bound=BaseModel)


def parsed(model: type[T], obj: Mapping[str, Any]) -> T | None:
    """Return the object, None where it is misshapen: the check of canaries tells that."""
    try:
        return model.model_validate({"metadata": obj.get("metadata"), "spec": obj.get("spec")})
    except ValidationError:
        return None
