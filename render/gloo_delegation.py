"""Which RouteTables a VirtualService or a RouteTable delegates to: by reference, or by what it selects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from render.gloo_status import Reference
from render.objects import Object

_ALL_NAMESPACES: Final = "*"


@dataclass(frozen=True, slots=True)
class Delegation:
    """What the routes of one object delegate to: `references`, and tables of `selectors`, seen from `namespace`."""

    namespace: str
    references: frozenset[Reference]
    selectors: tuple[Mapping[str, Any], ...]

    def reaches(self, table: Object) -> bool:
        """Return whether it leads to a RouteTable. What a selector's expressions mean is not read: they may."""
        metadata = table["metadata"]
        if (metadata.get("namespace", ""), metadata["name"]) in self.references:
            return True
        return any(self._selects(selector, metadata) for selector in self.selectors)

    def _selects(self, selector: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
        namespaces = selector.get("namespaces") or [self.namespace]
        if _ALL_NAMESPACES not in namespaces and metadata.get("namespace", "") not in namespaces:
            return False
        labels = metadata.get("labels") or {}
        return all(labels.get(name) == value for name, value in (selector.get("labels") or {}).items())


def read_delegation(obj: Object) -> Delegation:
    """Read what the routes of a VirtualService or RouteTable delegate to.

    The reference stands in `delegateAction.ref`, or, as older objects have it, in `delegateAction` itself.
    """
    namespace, spec = obj["metadata"].get("namespace", ""), obj.get("spec") or {}
    routes = (spec.get("virtualHost") or spec).get("routes") or ()
    actions = [route.get("delegateAction") or {} for route in routes]
    references = [action.get("ref") or action for action in actions]
    return Delegation(
        namespace,
        frozenset((ref.get("namespace", namespace), ref["name"]) for ref in references if ref.get("name")),
        tuple(action["selector"] for action in actions if action.get("selector")),
    )
