"""The canaries of an input, parsed: for the verbs that work on what is valid."""

from collections.abc import Iterator, Sequence

from canary.api.canary import GLOO, Canary
from canary.rules.admission import with_its_names
from canary.rules.shape import parse_canary
from cli.input.documents import STDIN, STDIN_NAME, Document
from cli.input.errors import BadInput
from cli.lint.findings import API_VERSION, check, in_order, is_ours
from cli.lint.input_cluster import CANARY_KIND, InputCluster
from cli.terminal import complain


class Faulty(BadInput):
    """A Canary that admission would refuse: what is wrong with it was printed."""


def parsed_canaries(
    name: str, documents: Sequence[Document], namespace: str, cluster: InputCluster
) -> Iterator[Canary]:
    """Return them in their order; what is wrong with them goes to stderr, a line each.

    Raises:
        BadInput: there is none that is ours.
        Faulty: one has errors.
    """
    shown = STDIN_NAME if name == STDIN else name
    candidates = [document for document in documents if is_ours(document) and document.kind == CANARY_KIND]
    if not candidates:
        raise BadInput(f"{shown}: found no Canary; allowed: at least one object of {API_VERSION}, kind {CANARY_KIND}")
    found = []
    errors = 0
    for document in candidates:
        for finding in in_order(check(document, cluster.seen_from(document.source), namespace), [document.source]):
            place = f"{finding.source}:{finding.line}:{finding.column}"
            complain(f"{place}: {finding.severity}: {finding.about}: {finding.message}")
            errors += not finding.is_warning
        if not errors:
            found.append(parse_canary(with_its_names(document.obj, namespace)))
    if errors:
        raise Faulty(f"{shown}: {errors} {'error' if errors == 1 else 'errors'}; see `serin lint`")
    ours = [canary for canary in found if canary.provider == GLOO]
    if not ours:
        raise BadInput(f"{shown}: found Canaries of other providers only; allowed: provider {GLOO}")
    yield from ours
