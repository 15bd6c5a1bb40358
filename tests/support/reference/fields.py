"""The fields of a kind, from its CRD, which `tests/unit/canary_api/test_crds.py` holds to the model."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tests.support.cluster import REPOSITORY
from tests.support.reference.limits import told_by_admission
from tests.support.reference.page import code, codes, page, section, sentence, table

_OF_OTHERS: Final = "For other providers; ignored on Gloo."
_FILES: Final = {"Canary": "canaries", "MetricTemplate": "metrictemplates", "AlertProvider": "alertproviders"}
_DEFAULT: Final = re.compile(r"\s*Default ([^.]*(?:\.\d[^.]*)?)\.")
_NO_DEFAULT: Final = re.compile(r"\s*No default\.")
_ALLOWED: Final = re.compile(r"allowed: (.*?)'?$", re.DOTALL)


@dataclass(frozen=True)
class Field:
    """A field of a CRD: its path from the object's root, its schema, and whether its parent must have it."""

    path: str
    schema: Mapping[str, Any]
    is_required: bool

    @property
    def description(self) -> str:
        return str(self.schema.get("description", ""))


def fields_page(kind: str, introduction: str) -> str:
    """Return the page of a kind: a section for each part of its spec."""
    crd = yaml.safe_load((REPOSITORY / "manifests" / "crds" / f"{_FILES[kind]}.yaml").read_text())
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    fields = list(_fields(schema["properties"]["spec"], "spec"))
    allowed = dict(_told_by_rules(schema["properties"]["spec"]))
    if kind == "Canary":
        allowed |= told_by_admission((field.path, field.schema) for field in fields)
    parts = defaultdict[str, list[Field]](list)
    for field in fields:
        if not _is_of_others(field, fields):
            parts[_part_of(field.path, fields)].append(field)
    ignored = [field for field in fields if field.description == _OF_OTHERS]
    others = codes(field.path for field in ignored if not _is_within(field, ignored))
    return page(
        kind,
        f"{introduction} `[]` is an element of a list, `{{}}` a value of a map. A field in bold type must be "
        "there. What admission refuses beyond this is told as the object is applied, and by `serin lint`.",
        *(
            section(code(part), table(("field", "type", "default", "allowed", "meaning"), _rows(found, allowed)))
            for part, found in parts.items()
        ),
        section("Without effect here", f"Flagger's for other gateways, read and ignored: {others}.") if others else "",
    )


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        yield Field(f"{path}.{name}", inner, name in required)
        yield from _fields(inner, f"{path}.{name}")
    if "items" in schema:
        yield from _fields(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _fields(schema["additionalProperties"], f"{path}{{}}")


def _is_of_others(field: Field, fields: list[Field]) -> bool:
    """Return whether a field, or one that it is in, means nothing on Gloo."""
    return field.description == _OF_OTHERS or _is_within(
        field, [other for other in fields if other.description == _OF_OTHERS]
    )


def _is_within(field: Field, others: list[Field]) -> bool:
    return any(field.path.startswith((f"{other.path}.", f"{other.path}[", f"{other.path}{{")) for other in others)


def _part_of(path: str, fields: list[Field]) -> str:
    """Return the section that a field belongs to: the spec itself, an object in it, or one of the analysis."""
    steps = re.split(r"\.", path)
    depth = 3 if steps[:2] == ["spec", "analysis"] and len(steps) > 3 else 2
    parent = ".".join(steps[:depth])
    is_object = any(re.match(rf"{re.escape(parent)}[.\[{{]", field.path) for field in fields)
    return parent if is_object and len(steps) > 2 else "spec"


def _rows(fields: list[Field], allowed: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for field in fields:
        found = _DEFAULT.search(field.description)
        default, _, more = found[1].partition("; ") if found else ("", "", "")
        meaning = f"{_NO_DEFAULT.sub('', _DEFAULT.sub('', field.description, count=1))} {sentence(more)}"
        name = f"**{code(field.path)}**" if field.is_required else code(field.path)
        told, written = allowed.get(field.path, ""), _limits(field.schema)
        limits = [part for part in (written if written not in told else "", told) if part]
        yield name, _type(field.schema), default, "; ".join(limits), sentence(meaning)


def _type(schema: Mapping[str, Any]) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if schema["type"] == "array":
        return f"list of {_plural(_type(schema['items']))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_plural(_type(schema['additionalProperties']))}"
    return str(schema["type"])


def _plural(kind: str) -> str:
    first, _, rest = kind.partition(" ")
    return f"{first}s {rest}".rstrip()


def _limits(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return codes(value for value in schema["enum"] if value)
    return f"{schema['minimum']} or more" if "minimum" in schema else ""


def _told_by_rules(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Find what the CRD's own rules say is allowed, by the path that they are about."""
    for rule in schema.get("x-kubernetes-validations", ()):
        found = _ALLOWED.search(" ".join((rule.get("message") or rule.get("messageExpression", "")).split()))
        if found:
            yield f"spec{rule['fieldPath']}", found[1]
