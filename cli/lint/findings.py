"""What is wrong with the objects of an input: the rules of admission, each problem with its line and column."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from canary.api.canary import GLOO
from canary.api.names import DEFAULT_TARGET_KIND
from canary.api.parts import mapping_of
from canary.api.problems import Described, Problem
from canary.rules.admission import (
    applied_alert_provider_problems,
    applied_canary_problems,
    applied_metric_template_problems,
    is_of_another_provider,
    with_its_names,
)
from canary.rules.references import ALERT_PROVIDER_KIND, METRIC_TEMPLATE_KIND
from canary.rules.target import TARGET_KINDS
from cli.input.documents import Document, Input
from cli.input.errors import NotYaml
from cli.lint.input_cluster import CANARY_KIND, InputCluster
from render.labels import FLAGGERS_LABELS, LabelSettings
from render.objects import UnusableObjectError
from render.selectors import sides_label

GROUP: Final = "flagger.app"
API_VERSION: Final = f"{GROUP}/v1beta1"
KINDS: Final = (CANARY_KIND, METRIC_TEMPLATE_KIND, ALERT_PROVIDER_KIND)


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem, where it is. `about` names the object (`Canary test/podinfo`), empty for a file that is no YAML."""

    source: str
    line: int
    column: int
    is_warning: bool
    about: str
    path: str
    message: str

    @property
    def severity(self) -> str:
        """Return `error` or `warning`."""
        return "warning" if self.is_warning else "error"


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found in an input, and how many objects were looked at."""

    findings: tuple[Finding, ...]
    objects: int

    @property
    def errors(self) -> int:
        """Return how many of them admission would refuse."""
        return sum(not finding.is_warning for finding in self.findings)

    @property
    def warnings(self) -> int:
        """Return how many of them admission would only tell."""
        return len(self.findings) - self.errors


def lint(
    found: Input, namespace: str, *, allows_across: bool = True, labels: LabelSettings = FLAGGERS_LABELS
) -> Report:
    """Check the objects that are ours, and the selectors of targets; `namespace` is that of objects without one."""
    ours = [document for document in found.documents if is_ours(document)]
    cluster = InputCluster(found.documents, namespace, allows_across=allows_across)
    findings = [
        *map(_of_broken, found.broken),
        *(finding for document in ours for finding in check(document, cluster.seen_from(document.source), namespace)),
        *(finding for document in ours for finding in _of_target(document, cluster, namespace, labels)),
    ]
    return Report(tuple(in_order(findings, found.sources)), len(ours))


def is_ours(document: Document) -> bool:
    """Return whether an object is meant to be one of the three kinds, whatever is wrong with it."""
    return document.group == GROUP or (document.kind in KINDS and not document.obj.get("apiVersion"))


def check(document: Document, cluster: InputCluster, namespace: str) -> Iterator[Finding]:
    """Return what is wrong with one object."""
    about = f"{document.kind or 'object'} {document.namespace(namespace)}/{document.name or '(without a name)'}"
    for repeated in document.repeated:
        said = Described(f"it a second time, after line {repeated.first_line}")
        problem = Problem(repeated.path, said, "one of a name in a map, for only the last one counts", is_warning=True)
        mark = repeated.key.start_mark
        yield _finding(document, about, problem, (mark.line + 1, mark.column + 1))
    for problem in _problems(document, cluster, namespace):
        yield _finding(document, about, problem, document.place(problem.path))


def _problems(document: Document, cluster: InputCluster, namespace: str) -> Iterable[Problem]:
    if document.kind not in KINDS:
        return (Problem("kind", document.obj.get("kind"), f"one of {', '.join(KINDS)}"),)
    version = document.obj.get("apiVersion")
    if version != API_VERSION:
        return (Problem("apiVersion", version, API_VERSION),)
    obj: Mapping[str, Any] = with_its_names(document.obj, namespace)
    if document.kind == CANARY_KIND and is_of_another_provider(obj):
        allowed = f"{GLOO}, or nothing, for Serin; that of another controller is left to it, and not checked"
        return (Problem("spec.provider", obj["spec"]["provider"], allowed, is_warning=True),)
    if document.kind == CANARY_KIND:
        return applied_canary_problems(obj, cluster)
    if document.kind == METRIC_TEMPLATE_KIND:
        return applied_metric_template_problems(obj)
    return applied_alert_provider_problems(obj)


def _of_target(document: Document, cluster: InputCluster, namespace: str, labels: LabelSettings) -> Iterator[Finding]:
    """Warn of a target whose pods nothing could tell from a primary's. Of none that the API server would refuse."""
    reference = mapping_of(mapping_of(document.obj, "spec"), "targetRef")
    kind, name = str(reference.get("kind") or DEFAULT_TARGET_KIND), str(reference.get("name") or "")
    there, is_ours = document.namespace(namespace), document.kind == CANARY_KIND
    if not is_ours or kind not in TARGET_KINDS or is_of_another_provider(document.obj):
        return
    target = cluster.seen_from(document.source).get(kind, there, name)
    try:
        if target is not None:
            sides_label(dict(target), settings=labels)
    except UnusableObjectError as error:
        found = Described(f"{kind} {there}/{name} with {error.path} {error.found}")
        problem = Problem("spec.targetRef.name", found, f"one with {error.allowed} there", is_warning=True)
        yield _finding(document, f"{CANARY_KIND} {there}/{document.name}", problem, document.place(problem.path))
    except (AttributeError, KeyError, TypeError):
        return


def _finding(document: Document, about: str, problem: Problem, at: tuple[int, int]) -> Finding:
    message = " ".join(str(problem).split())
    return Finding(document.source, *at, problem.is_warning, about, problem.path, message)


def _of_broken(error: NotYaml) -> Finding:
    return Finding(error.source, error.line, error.column, is_warning=False, about="", path="", message=error.why)


def in_order(findings: Iterable[Finding], sources: Iterable[str]) -> list[Finding]:
    """Sort by place within a file, errors first; the files stay in the order in which they were named."""
    order = {source: place for place, source in enumerate(sources)}
    return sorted(findings, key=lambda one: (order[one.source], one.line, one.column, one.is_warning))
