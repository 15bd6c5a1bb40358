"""The small part of Go's templates that metric queries are written in.

Names: name, namespace, target, service, ingress, route, interval, and the user's own `variables`. Forms:
`{{ namespace }}`, `{{ variables.x }}`, `{{ index variables "x" }}` (Flagger 1.44, `pkg/metrics/observers/render.go`).
Anything else of Go's template language is refused by name rather than sent to the metrics server as it stands.
"""

import re
from collections.abc import Mapping
from typing import Final

from canary.model.canary import Canary

_NAMES: Final = ("name", "namespace", "target", "service", "ingress", "route", "interval")
_ACTION: Final = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_MEMBER: Final = re.compile(r"variables\.(\w+)")
_INDEX: Final = re.compile(r'index\s+variables\s+"([^"]*)"')


class TemplateError(ValueError):
    """A query template with something that can't be filled in; the message names it and what is allowed."""


def render_query(query: str, names: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """Fill in a query.

    Raises:
        TemplateError: an unknown name or variable, or other Go template syntax.
    """

    def fill(match: re.Match[str]) -> str:
        action = match.group(1)
        if action in names:
            return names[action]
        variable = _MEMBER.fullmatch(action) or _INDEX.fullmatch(action)
        if variable is None:
            allowed = ", ".join([*_NAMES, "variables.NAME", 'index variables "NAME"'])
            raise TemplateError(f"found {match.group(0)!r}; allowed between the braces: {allowed}")
        if variable.group(1) not in variables:
            known = ", ".join(sorted(variables)) or "none is set in templateVariables"
            raise TemplateError(f"found {match.group(0)!r}; allowed variables: {known}")
        return variables[variable.group(1)]

    return _ACTION.sub(fill, query)


def query_names(canary: Canary, interval: str) -> dict[str, str]:
    """Give the values of the template's names for one metric. `interval` is a duration such as `1m`: its window."""
    ingress = canary.spec.ingress_ref
    route = canary.spec.route_ref
    target = canary.spec.target_ref.name
    return {
        "name": canary.name,
        "namespace": canary.namespace,
        "target": target,
        "service": canary.apex_name,
        "ingress": target if ingress is None else ingress.name,
        "route": target if route is None else route.name,
        "interval": interval,
    }
