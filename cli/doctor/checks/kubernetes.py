"""The API server's version, and the CRDs."""

import asyncio
import re
from typing import Any, Final

from pydantic import BaseModel

from canary.api.alert_provider import AlertProvider
from canary.api.canary import Canary
from canary.api.metric_template import MetricTemplate
from canary.run.wire import SERIN_STATUS
from cli.doctor.fields import dropped_fields, keeps
from cli.doctor.finding import Finding, Unread, fault, first_of, ok, unknown, warning
from cli.doctor.installation import Installation
from kube.errors import Forbidden, NotFound
from kube.resource import Object, Resource

CRDS: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", is_namespaced=False
)
_OLDEST: Final = (1, 30)
"""Of the guide: matchConditions and validating admission policies."""

_KINDS: Final[dict[str, type[BaseModel]]] = {
    "canaries": Canary,
    "metrictemplates": MetricTemplate,
    "alertproviders": AlertProvider,
}
_VERSION: Final = "v1beta1"


async def check_kubernetes(serin: Installation) -> list[Finding]:
    """Check the API server's version. Raise the KubeError of one that does not answer: nothing else will."""
    try:
        found = await serin.reader.client.read("/version")
    except (Forbidden, NotFound):
        return [unknown("the API server's version: you may not get /version")]
    text = str(found.get("gitVersion") or "")
    numbers = re.match(r"v?(\d+)\.(\d+)", text)
    oldest = f"{_OLDEST[0]}.{_OLDEST[1]}"
    if numbers is None:
        return [unknown(f"the API server's version: found {text!r}")]
    if (int(numbers[1]), int(numbers[2])) < _OLDEST:
        return [fault(f"found {text}; allowed: {oldest} or newer", f"{serin.kubectl} version", page="docs/guide.md")]
    return [ok(f"{text} at {serin.reader.client.host}")]


async def check_crds(serin: Installation) -> list[Finding]:
    """Check that the CRDs are there, and keep all that this version stores and reads."""
    names = [f"{plural}.flagger.app" for plural in _KINDS]
    found = await asyncio.gather(*(serin.reader.get(CRDS, name) for name in names))
    apply = f"{serin.kubectl} apply -k manifests/crds"
    missing = [name for name, crd in zip(names, found, strict=True) if crd is None]
    if missing:
        return [fault(f"not there: {', '.join(missing)}", apply)]
    findings: list[Finding] = []
    for name, model, crd in zip(names, _KINDS.values(), found, strict=True):
        if isinstance(crd, Unread):
            findings.append(crd.of(name))
        elif crd is not None:
            findings += _crd_findings(name, model, crd, apply)
    return findings or [ok(f"{', '.join(names)}: {_VERSION}, and all that Serin stores is kept")]


def _crd_findings(name: str, model: type[BaseModel], crd: Object, apply: str) -> list[Finding]:
    versions = [one for one in crd["spec"].get("versions") or () if one.get("name") == _VERSION and one.get("served")]
    if not versions:
        return [fault(f"{name} does not serve {_VERSION}", apply)]
    schema: dict[str, Any] = (versions[0].get("schema") or {}).get("openAPIV3Schema") or {}
    parts = schema.get("properties") or {}
    findings: list[Finding] = []
    if model is Canary and not keeps(parts.get("status") or schema, SERIN_STATUS):
        findings.append(
            fault(
                f"{name} is Flagger's: it drops status.{SERIN_STATUS}, and canaries stand still (StatusNotStored)",
                apply,
                page="docs/how-to/ready-blocked.md#statusnotstored",
            )
        )
    spec = model.model_fields["spec"].annotation
    assert isinstance(spec, type)
    assert issubclass(spec, BaseModel)
    if dropped := dropped_fields(spec, parts.get("spec") or schema, "spec"):
        findings.append(warning(f"{name} is older than this command, and drops {first_of(dropped)}", apply))
    return findings
