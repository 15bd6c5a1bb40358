"""The forms that a verb of the cluster prints: for people, or whole for programs."""

import json
from enum import StrEnum
from typing import Any


class Output(StrEnum):
    """The values of `-o`."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class ValueOutput(StrEnum):
    """The values of `-o` where there are no objects with names."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


def as_text(value: Any, output: str) -> str:
    """Return a value as JSON or YAML."""
    if output == Output.JSON:
        return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    import yaml  # noqa: PLC0415  only who asks for it waits for it

    return str(
        yaml.dump(value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False, allow_unicode=True)
    )
