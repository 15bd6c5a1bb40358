"""How every part of the API model reads its fields, and the metadata that all three kinds have."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from canary.api.scalars import StringMap, Whole


class ApiModel(BaseModel):
    """snake_case here, camelCase in the object; an unknown field is kept (`model_extra`), a null reads as absent."""

    model_config = ConfigDict(alias_generator=to_camel, extra="allow", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: object) -> object:
        if isinstance(value, dict):
            return {key: item for key, item in value.items() if item is not None}
        return value


class ObjectMeta(ApiModel):
    name: str
    namespace: str = "default"
    uid: str = ""
    generation: Whole = 0
    labels: StringMap = Field(default_factory=dict)
    annotations: StringMap = Field(default_factory=dict)


class ApiObject(ApiModel):
    """An object of the group flagger.app/v1beta1, without its status."""

    metadata: ObjectMeta

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def uid(self) -> str:
        """Return the uid; empty until the API server has stored the object."""
        return self.metadata.uid

    @property
    def generation(self) -> int:
        """Return the generation; 0 until the API server has stored the object."""
        return self.metadata.generation

    @property
    def labels(self) -> dict[str, str]:
        return self.metadata.labels

    @property
    def annotations(self) -> dict[str, str]:
        return self.metadata.annotations


def as_written(value: Any) -> Any:
    """Return the value as it stands in the object, without our defaults: what a Problem shows as found."""
    if isinstance(value, BaseModel):
        value = value.model_dump(by_alias=True, exclude_unset=True)
    match value:
        case dict():
            return {key: as_written(item) for key, item in value.items()}
        case tuple() | list():
            return [as_written(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
