"""Rules for the Upstream that settings come from, and warnings for fields of service meshes and ingresses.

Such a field is kept as written, and means nothing on Gloo.
"""

from collections.abc import Iterator

from canary.api.canary import Canary
from canary.api.names import Names
from canary.api.problems import Problem
from canary.api.schema import ApiModel, as_written

UPSTREAM_KIND = "Upstream"
UPSTREAM_API_VERSION = "gloo.solo.io/v1"

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


def fields_mean_something_on_gloo(canary: Canary) -> Iterator[Problem]:
    yield from _ignored(canary.spec, "spec", _SPEC_FIELDS)
    yield from _ignored(canary.spec.service, "spec.service", _SERVICE_FIELDS)


def upstream_is_gloos(canary: Canary) -> Iterator[Problem]:
    reference = canary.spec.upstream_ref
    if reference is None:
        return
    if reference.kind != UPSTREAM_KIND:
        yield Problem("spec.upstreamRef.kind", reference.kind or None, UPSTREAM_KIND)
    if reference.api_version and reference.api_version != UPSTREAM_API_VERSION:
        allowed = f"{UPSTREAM_API_VERSION}, which it is read as"
        yield Problem("spec.upstreamRef.apiVersion", reference.api_version, allowed, is_warning=True)


def upstream_is_not_a_generated_one(canary: Canary) -> Iterator[Problem]:
    reference = canary.spec.upstream_ref
    if reference is None or reference.namespace not in {"", canary.namespace}:
        return
    names = Names.of(canary)
    if reference.name in {names.primary_upstream, names.canary_upstream}:
        allowed = "an Upstream of your own; this one is made from it"
        yield Problem("spec.upstreamRef.name", reference.name, allowed)


def _ignored(model: ApiModel, path: str, fields: tuple[str, ...]) -> Iterator[Problem]:
    for field in fields:
        value = getattr(model, field)
        if value:
            alias = type(model).model_fields[field].alias
            yield Problem(f"{path}.{alias}", as_written(value), "nothing; it is ignored on Gloo", is_warning=True)


GLOO_RULES = (fields_mean_something_on_gloo, upstream_is_gloos, upstream_is_not_a_generated_one)
