"""Our CRDs, Flagger's and the model say the same: a superset of Flagger's, every field of which the model reads."""

import functools
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from canary.api.alert_provider import AlertProvider
from canary.api.analysis import CanaryAnalysis
from canary.api.canary import GLOO, Canary
from canary.api.metric_template import MetricTemplate
from canary.api.metrics import CanaryMetric
from canary.rules.canary import OTHER_PROVIDERS

CRDS = Path(__file__).parents[3] / "manifests" / "crds"
KINDS = {"Canary": Canary, "MetricTemplate": MetricTemplate, "AlertProvider": AlertProvider}
NOT_IN_CRD = ("Canary.spec.canaryAnalysis.", "Canary.spec.service.match[].")  # open objects there
NO_SUCH_COMPARISON = (".method.", ".uri.", ".scheme.", ".authority.", ".queryParams{}.", ".allowOrigins[].")


@functools.cache
def _load(kind: str) -> dict[str, Any]:
    names = {"Canary": "canaries", "MetricTemplate": "metrictemplates", "AlertProvider": "alertproviders"}
    loaded: dict[str, Any] = yaml.load((CRDS / f"{names[kind]}.yaml").read_text(), Loader=yaml.CSafeLoader)
    return loaded


def _schema(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = _load(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _crd_nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from _crd_nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from _crd_nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from _crd_nodes(schema["additionalProperties"], f"{path}{{}}")


def _crd_parts(kind: str) -> dict[str, dict[str, Any]]:
    parts = _schema(kind)["properties"]
    return {path: node for part in ("spec", "status") for path, node in _crd_nodes(parts[part], f"{kind}.{part}")}


def _model_paths(model: type[BaseModel], path: str) -> Iterator[str]:
    for field in model.model_fields.values():
        yield from _annotation_paths(field.annotation, f"{path}.{field.alias}")


def _annotation_paths(annotation: Any, path: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        yield path
        yield from _annotation_paths(arguments[0], f"{path}[]")
    elif origin is dict:
        yield path
        if arguments[1] is not Any:
            yield from _annotation_paths(arguments[1], f"{path}{{}}")
    elif origin in {typing.Union, types.UnionType}:
        (inner,) = {argument for argument in arguments if argument is not type(None)}
        yield from _annotation_paths(inner, path)
    else:
        yield path
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _model_paths(annotation, path)


def _flaggers_fields(kind: str) -> Iterator[tuple[str, str, bool, list[str]]]:
    for line in (Path(__file__).parent / "flagger_fields.txt").read_text().splitlines():
        path, field_type, *rest = line.split(" ")
        if path.startswith(f"{kind}."):
            values = next((part.removeprefix("enum=").split("|") for part in rest if part.startswith("enum=")), [])
            yield path, field_type, "required" in rest, values


def _is_open(parts: dict[str, dict[str, Any]], path: str) -> bool:
    """Whether the nearest part of the path that the CRD knows keeps unknown fields."""
    while path not in parts:
        path = path[: max(path.rfind("."), path.rfind("["), path.rfind("{"))]
    return bool(parts[path].get("x-kubernetes-preserve-unknown-fields"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_model_is_in_our_crd(kind: str) -> None:
    wanted = {
        path
        for path in _annotation_paths(KINDS[kind].model_fields["spec"].annotation, f"{kind}.spec")
        if not path.startswith(NOT_IN_CRD) and not any(part in path for part in NO_SUCH_COMPARISON)
    }
    assert len(wanted) > 5
    assert wanted - set(_crd_parts(kind)) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_our_crd_is_read_by_the_model(kind: str) -> None:
    model = set(_annotation_paths(KINDS[kind].model_fields["spec"].annotation, f"{kind}.spec"))
    ours = {path for path in _crd_parts(kind) if path.startswith(f"{kind}.spec.")}
    open_items = {path for path in ours if path.endswith(("mirror[]", "gatewayRefs[]"))}
    assert ours - model - open_items == set()


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_our_crd_says_what_it_is_for(kind: str) -> None:
    """`kubectl explain` and the pages of docs/reference/ show it."""
    nodes = list(_crd_nodes(_schema(kind), kind))
    assert len(nodes) > 10
    values = ("[]", "{}", f"{kind}.metadata")  # a list's or a map's are told by the field that has them
    assert [path for path, node in nodes if not path.endswith(values) and not node.get("description")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_said_of_the_metadata(kind: str) -> None:
    """The API server refuses a CRD that does, a description included."""
    assert _schema(kind)["properties"]["metadata"] == {"type": "object"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_flaggers_crd_accepts_ours_accepts(kind: str) -> None:
    parts = _crd_parts(kind)
    for path, field_type, _, values in _flaggers_fields(kind):
        if path not in parts:
            assert _is_open(parts, path), path
            continue
        ours = parts[path]
        own_type = ours.get("type") or ("int-or-string" if ours.get("x-kubernetes-int-or-string") else None)
        assert own_type == field_type, path
        assert "enum" not in ours or set(values) <= set(ours["enum"]), path
        assert "enum" not in ours or values, f"{path} is free in Flagger's CRD"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_required_that_flagger_does_not_require(kind: str) -> None:
    required = {path for path, _, is_required, _ in _flaggers_fields(kind) if is_required}
    required |= {f"Canary.status.conditions[].{name}" for name in ("type", "status", "reason")}
    ours = {f"{path}.{name}" for path, node in _crd_parts(kind).items() for name in node.get("required", ())}
    assert ours - required == set()
    # Without a spec there is nothing that Flagger could run either.
    assert _schema(kind)["required"] == ["spec"]


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_fields_are_kept_everywhere(kind: str) -> None:
    closed = {
        path
        for path, node in _crd_parts(kind).items()
        if node.get("type") == "object"
        and "additionalProperties" not in node
        and not node.get("x-kubernetes-preserve-unknown-fields")
    }
    assert closed == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_structural(kind: str) -> None:
    """Every node has a type (or is int-or-string), and never both properties and additionalProperties."""
    for path, node in _crd_parts(kind).items():
        assert "type" in node or node.get("x-kubernetes-int-or-string"), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert ("items" in node) == (node.get("type") == "array"), path


def test_new_fields_tell_unit_and_default() -> None:
    parts = _crd_parts("Canary")
    analysis = CanaryAnalysis.model_fields
    for path, default in (
        ("analysis.unobservedDeadlineSeconds", analysis["unobserved_deadline_seconds"].default),
        ("analysis.drainSeconds", analysis["drain_seconds"].default),
        ("analysis.metrics[].onNoData", CanaryMetric.model_fields["on_no_data"].default),
    ):
        description = parts[f"Canary.spec.{path}"]["description"]
        assert f"Default {default}." in description, path
        assert "Seconds" in description or "Seconds" not in path, path
    assert "Default 0" in parts["Canary.spec.analysis.metrics[].minRequests"]["description"]


def test_the_providers_are_those_that_the_rules_know() -> None:
    assert set(_crd_parts("Canary")["Canary.spec.provider"]["enum"]) == {GLOO, *OTHER_PROVIDERS}


def test_kubectl_shows_flaggers_columns() -> None:
    columns = _load("Canary")["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [(column["name"], column["jsonPath"]) for column in columns if "priority" not in column] == [
        ("Status", ".status.phase"),
        ("Weight", ".status.canaryWeight"),
        ("LastTransitionTime", ".status.lastTransitionTime"),
    ]
    assert [column["name"] for column in columns if column.get("priority") == 1] == [
        "Suspended",
        "FailedChecks",
        "Interval",
        "Mirror",
        "StepWeight",
        "StepWeights",
        "MaxWeight",
        "Ready",
        "Reason",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_subresource_are_flaggers(kind: str) -> None:
    crd = _load(kind)
    names = crd["spec"]["names"]
    assert crd["metadata"]["name"] == f"{names['plural']}.flagger.app"
    assert (names["kind"], names["listKind"], names["categories"]) == (kind, f"{kind}List", ["all"])
    (version,) = crd["spec"]["versions"]
    assert (version["name"], version["subresources"]) == ("v1beta1", {"status": {}})


def test_kustomize_takes_every_crd() -> None:
    kustomization = yaml.safe_load((CRDS / "kustomization.yaml").read_text())
    assert set(kustomization["resources"]) == {path.name for path in CRDS.glob("*.yaml")} - {"kustomization.yaml"}


def _cel_rules() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in KINDS:
        for rule in _schema(kind)["properties"]["spec"].get("x-kubernetes-validations", ()):
            yield f"{kind}{rule['fieldPath']}", rule


_OF_ANOTHER_PROVIDER = " || self.?provider.orValue('gloo') != 'gloo'"


def _about(name: str, condition: str) -> str:
    """A rule's condition as it reads about the object of that name, without what may differ in spelling."""
    return re.sub(rf"\b{name}\.", "it.", condition).strip("()! ")


@pytest.mark.parametrize(("path", "rule"), list(_cel_rules()))
def test_each_rule_of_the_crds_asks_the_old_object_what_it_asks_the_new_one(path: str, rule: dict[str, Any]) -> None:
    """Or else an object that was stored with a fault could not be edited any more."""
    text = " ".join(rule["rule"].split())
    if text.startswith("oldSelf.hasValue() || "):
        same_field = [" ".join(other["rule"].split()) for other_path, other in _cel_rules() if other_path == path]
        (update,) = [other for other in same_field if "(oldSelf.?provider" in other]
        assert update.startswith(text.removeprefix("oldSelf.hasValue() || "))
        return
    new, is_kept_apart, old = text.partition(_OF_ANOTHER_PROVIDER)
    if path.startswith("Canary"):
        assert is_kept_apart, text
        name = "old" if old.startswith(" || oldSelf.optMap(old, ") else "oldSelf"
        old = old.removeprefix(" || oldSelf.optMap(old, ").removeprefix(" || (").removesuffix(".orValue(false)")
        spared = f"{name}.?provider.orValue('gloo') == 'gloo' && "
        assert old.startswith(spared)
        assert _about("self", new) == _about(name, old.removeprefix(spared))
    assert "allowed: " in rule.get("message", rule.get("messageExpression", ""))
