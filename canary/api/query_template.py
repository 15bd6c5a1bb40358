"""The small part of Go's templates that metric queries are written in.

Names: name, namespace, target, service, ingress, route, interval, and the user's own `variables`. Forms:
`{{ namespace }}`, `{{ variables.x }}`, `{{ index variables "x" }}` (Flagger 1.44, `pkg/metrics/observers/render.go`).
Anything else of Go's template language is refused by name rather than sent to the metrics server as it stands.
"""

import re
from collections.abc import Mapping
from typing import Final

from canary.api.canary import Canary

_NAMES: Final = ("name", "namespace", "target", "service", "ingress", "route", "interval")
_ACTION: Final = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_MEMBER: Final = re.compile(r"variables\.(\w+)")
_INDEX: Final = re.compile(r'index\s+variables\s+"([^"]*)"')


class TemplateError(ValueError):
    """A query template with something that can't be filled in: `found` is it, with its braces."""

    def __init__(self, found: str, allowed: str) -> None:
        self.found = found
        self.allowed = allowed
        super().__init__(f"found {found!r}; allowed: {allowed}")


class UnknownVariable(TemplateError):  # noqa: N818  what it is, and a fault of who fills in
    """A variable that nothing sets."""


def render_query(query: str, names: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """Fill in a query.

    Raises:
        UnknownVariable: a variable that is not among `variables`.
        TemplateError: an unknown name, or other Go template syntax.
    """

    def fill(match: re.Match[str]) -> str:
        action = match.group(1).strip()
        if action in names:
            return names[action]
        variable = _variable(match)
        if variable not in variables:
            known = ", ".join(sorted(variables)) or "none, for templateVariables sets none"
            raise UnknownVariable(match.group(0), f"the variables {known}")
        return variables[variable]

    closed, rest = _split_at_last_end(query)
    return _ACTION.sub(fill, closed) + rest


def used_variables(query: str) -> frozenset[str]:
    """Return the names of the variables that a query asks for.

    Raises:
        TemplateError: an unknown name, or other Go template syntax.
    """
    closed, _ = _split_at_last_end(query)
    return frozenset(_variable(match) for match in _ACTION.finditer(closed) if match.group(1).strip() not in _NAMES)


def _split_at_last_end(query: str) -> tuple[str, str]:
    """Return the query up to its last closing braces, and the rest.

    In the rest no braces are closed, and to look for their end from each of them would take the square of its length.
    """
    closed, end, rest = query.rpartition("}}")
    return closed + end, rest


def _variable(match: re.Match[str]) -> str:
    action = match.group(1).strip()
    variable = _MEMBER.fullmatch(action) or _INDEX.fullmatch(action)
    if variable is None:
        allowed = ", ".join([*_NAMES, "variables.NAME", 'index variables "NAME"'])
        raise TemplateError(match.group(0), f"between the braces, {allowed}")
    return variable.group(1)


def query_names(canary: Canary, interval: str) -> dict[str, str]:
    """Return the values of the template's names for one metric. `interval` is a duration such as `1m`: its window."""
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
