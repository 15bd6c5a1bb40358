"""From objects to what changes: the rules of admission, and the ledger."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from yaml import MappingNode

from canary.api.parts import mapping_of
from canary.api.problems import InvalidObject, Problem
from canary.rules.admission import applied_canary_problems, with_its_names
from canary.rules.cluster import Claim
from canary.rules.references import ReferenceProblem
from canary.rules.shape import parse_canary
from canary.run.phase import ANALYSING
from canary.run.wire import SERIN_STATUS
from cli.input.documents import Document
from cli.lint.input_cluster import CANARY_KIND, InputCluster
from cli.migrate.change import CanaryChanges, Change, Weight, what_becomes_of
from cli.migrate.ledger import borrowed_identities, differences

Object = Mapping[str, Any]

_GROUP: Final = "flagger.app"


class _Seen(InputCluster):
    """The objects, as one canary after the other sees them: of a thousand claims, those that could be its own."""

    def __init__(self, documents: Sequence[Document], namespace: str) -> None:
        super().__init__(documents, namespace)
        self._by_name: dict[tuple[str, str], list[Claim]] = defaultdict(list)
        self._near: dict[str, Claim] = {}
        for one in documents:
            claim = Claim.read(one.obj) if one.kind == CANARY_KIND else None
            if claim is None:
                continue
            for name in _names(claim):
                self._by_name[one.namespace(namespace), name].append(claim)

    def look_from(self, namespace: str, obj: Object) -> None:
        """See it from the canary that is looked at next."""
        own = Claim.read(obj)
        names = () if own is None else _names(own)
        self._near = {claim.canary: claim for name in names for claim in self._by_name[namespace, name]}

    def claims(self, namespace: str) -> Iterable[Claim]:  # noqa: ARG002  that of the canary that is looked at
        """See `Cluster`."""
        return self._near.values()


def _names(claim: Claim) -> frozenset[str]:
    return claim.workloads | claim.services | frozenset({claim.scaler} - {""})


def documents_of(objects: Iterable[Object]) -> list[Document]:
    """Return objects of a cluster as if they stood in a file, without places."""
    return [Document("", MappingNode("tag:yaml.org,2002:map", []), obj) for obj in objects]


def examine(documents: Sequence[Document], namespace: str, mesh_provider: str = "") -> list[CanaryChanges]:
    """Return what changes for each canary among the objects; `namespace` is that of objects without one."""
    cluster = _Seen(documents, namespace)
    canaries = [one for one in documents if one.kind == CANARY_KIND and one.group == _GROUP]
    return [_of(one, cluster.seen_from(one.source), namespace, mesh_provider) for one in canaries]


def _of(document: Document, cluster: _Seen, namespace: str, provider: str) -> CanaryChanges:
    obj = with_its_names(document.obj, namespace)
    there, status = document.namespace(namespace), mapping_of(obj, "status")
    cluster.look_from(there, obj)
    phase = str(status.get("phase") or "")
    run = what_becomes_of(phase, is_ours=bool(status.get(SERIN_STATUS)))
    changes = list(_changes(obj, there, document.name, cluster, provider))
    if phase in ANALYSING and not status.get(SERIN_STATUS):
        command = f"kubectl -n {there} wait canary/{document.name} --for=condition=promoted --timeout=30m"
        changes.append(Change(Weight.WAIT, "status.phase", f"{phase}: {run}", command))
    changes.sort(key=lambda change: list(Weight).index(change.weight))
    return CanaryChanges(there, document.name, phase, run, tuple(changes))


def _changes(obj: Object, namespace: str, name: str, cluster: InputCluster, provider: str) -> Iterator[Change]:
    edit = f"kubectl -n {namespace} edit canary {name}"
    known: list[Change] = []
    with suppress(InvalidObject):  # the rules of admission say what is wrong
        canary = parse_canary(obj)
        known = list(differences(canary, provider))
        yield from borrowed_identities(canary, cluster)
    yield from known
    told = {change.path for change in known}
    for problem in applied_canary_problems(obj, cluster):
        if not any(problem.path == path or problem.path.startswith(f"{path}.") for path in told):
            yield _refused(problem, edit)


def _refused(problem: Problem, edit: str) -> Change:
    """Return a problem of admission. One of a reference holds every run up, though admission only warns of it."""
    text = " ".join(str(problem).split()).removeprefix(f"{problem.path}: ")
    if problem.is_warning and not isinstance(problem, ReferenceProblem):
        return Change(Weight.DIFFERS, problem.path, text)
    return Change(Weight.FIRST, problem.path, text, edit)
