"""Which fields a CRD of the cluster drops that this version reads."""

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

Schema = Mapping[str, Any]


def dropped_fields(model: type[BaseModel], schema: Schema, path: str) -> list[str]:
    """Return the fields of a model that a structural schema prunes, the outermost only."""
    found: list[str] = []
    for field in model.model_fields.values():
        here = f"{path}.{field.alias}"
        inner = _within(schema, str(field.alias))
        if inner is None:
            found.append(here)
        elif (below := _model_of(field.annotation)) is not None:
            found += dropped_fields(below, _item(inner), here)
    return sorted(found)


def keeps(schema: Schema, field: str) -> bool:
    """Return whether a field is stored that an object has."""
    return _within(schema, field) is not None


def _within(schema: Schema, field: str) -> Schema | None:
    """Return the schema of a field, an open one where anything is kept, None where it is pruned."""
    if field in (schema.get("properties") or {}):
        found: Schema = schema["properties"][field]
        return found
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        return more
    return {"x-kubernetes-preserve-unknown-fields": True} if _is_open(schema) or more is True else None


def _is_open(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-preserve-unknown-fields"))


def _item(schema: Schema) -> Schema:
    """Return what the schema of a list or a map says of its values, of anything else itself."""
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, Mapping):
            return inner
    return schema


def _model_of(annotation: Any) -> type[BaseModel] | None:
    return next(_models(annotation), None)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in {tuple, dict, typing.Union, types.UnionType}:
        for argument in typing.get_args(annotation):
            yield from _models(argument)
