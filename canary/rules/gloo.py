"""Warnings for fields of service meshes and ingresses: kept as written, and without meaning on Gloo."""

from collections.abc import Iterator

from canary.model.canary import Canary
from canary.model.schema import ApiModel, as_written
from canary.problems import Problem

_SPEC_FIELDS = ("ingress_ref", "route_ref")
_SERVICE_FIELDS = (
    "hosts",
    "delegation",
    "gateways",
    "gateway_refs",
    "traffic_policy",
    "mesh_name",
    "backends",
    "match",
    "mirror",
    "backend_timeout",
)
_MATCH_FIELDS = ("source_labels", "source_namespace", "gateways", "scheme", "authority", "port")


def fields_mean_something_on_gloo(canary: Canary) -> Iterator[Problem]:
    yield from _ignored(canary.spec, "spec", _SPEC_FIELDS)
    yield from _ignored(canary.spec.service, "spec.service", _SERVICE_FIELDS)
    for index, entry in enumerate(canary.analysis.match if canary.analysis is not None else ()):
        yield from _ignored(entry, f"{canary.analysis_path}.match[{index}]", _MATCH_FIELDS)


def _ignored(model: ApiModel, path: str, fields: tuple[str, ...]) -> Iterator[Problem]:
    for field in fields:
        value = getattr(model, field)
        if value:
            alias = type(model).model_fields[field].alias
            yield Problem(f"{path}.{alias}", as_written(value), "nothing; it is ignored on Gloo", is_warning=True)


GLOO_RULES = (fields_mean_something_on_gloo,)
