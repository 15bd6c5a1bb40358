"""The input as a cluster: what it has is looked up, of what it has not nothing is known."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any, Final, Self

from canary.rules.cluster import Claim, Owner, container_port_names
from canary.rules.references import METRIC_TEMPLATE_KIND
from cli.input.documents import Document, Object

CANARY_KIND: Final = "Canary"

_Key = tuple[str, str, str]


class InputCluster:
    """The objects of an input: a `canary.rules.references.Cluster`.

    `namespace` is that of objects without one. Where several files have an object of one name, as those of several
    stages do, it is the one in the file that is looked at.
    """

    def __init__(self, documents: Sequence[Document], namespace: str, *, allows_across: bool = True) -> None:
        self.source = ""
        self._allows_across = allows_across
        self._objects: dict[_Key, dict[str, Object]] = {}
        self._claims: dict[str, list[Claim]] = {}
        for document in documents:
            there = document.namespace(namespace)
            self._objects.setdefault((document.kind, there, document.name), {})[document.source] = document.obj
            claim = Claim.read(document.obj) if document.kind == CANARY_KIND else None
            if claim is not None:
                self._claims.setdefault(there, []).append(claim)

    def seen_from(self, source: str) -> Self:
        """Return the same objects, those of this file before others of their names."""
        seen = copy(self)
        seen.source = source
        return seen

    @property
    def allows_across(self) -> bool:
        """See `Cluster`."""
        return self._allows_across

    def has(self, kind: str, namespace: str, name: str) -> bool | None:
        """See `Cluster`. What is not in the input may be in the cluster."""
        return True if self.get(kind, namespace, name) is not None else None

    def port_names(self, kind: str, namespace: str, name: str) -> Iterable[str] | None:
        """See `Cluster`. Of a workload that the API server would refuse nothing is known."""
        found = self.get(kind, namespace, name)
        try:
            return None if found is None else container_port_names(found)
        except (AttributeError, KeyError, TypeError):
            return None

    def metric_template(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """See `Cluster`."""
        return self.get(METRIC_TEMPLATE_KIND, namespace, name)

    def claims(self, namespace: str) -> Iterable[Claim]:
        """See `Cluster`."""
        return self._claims.get(namespace, ())

    def owners(self, kind: str, namespace: str, name: str) -> Iterable[Owner]:  # noqa: ARG002  the same for all
        """See `Cluster`. Files have no owners."""
        return ()

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """Return an object, None where the input has none of this name."""
        found = self._objects.get((kind, namespace, name), {})
        return found.get(self.source) or next(reversed(found.values()), None)
