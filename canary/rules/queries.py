"""What is wrong with a query, before it is ever sent: its template, and its PromQL.

Not among the rules that stop a run: a metrics server may accept more than Prometheus does, and it decides.
These are checked where a person is there to read the answer, at admission and by `serin lint`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

import promql_parser

from canary.api.bounds import (
    MOST_PARSED_OPERATORS,
    MOST_PARSED_QUERIES_CHARS,
    MOST_PARSED_QUERY_CHARS,
    MOST_READ_QUERIES_CHARS,
    MOST_RENDERED_QUERIES_CHARS,
)
from canary.api.canary import Canary
from canary.api.metric_template import GRAPHITE, PROMETHEUS, MetricProviderType, MetricTemplate
from canary.api.metrics import CanaryMetric
from canary.api.problems import Described, Problem
from canary.api.query_template import (
    QueryTooLong,
    TemplateError,
    UnknownVariable,
    has_conditions,
    query_names,
    render_query,
    used_variables,
)
from canary.api.schema import as_written
from canary.rules.promql_position import find_fault
from canary.rules.query_forms import form_fault

_SAMPLE_NAMES: Final = dict.fromkeys(("name", "namespace", "target", "service", "ingress", "route"), "podinfo")
_SAMPLE_VALUES: Final = ("podinfo", "1", "1m", 'a="b"')
_MAX_SAMPLED_VARIABLES: Final = 4
_MAX_SAMPLED_OPERATORS: Final = 100

# Whatever may be one, in names and texts too: to count too many leaves a strange query unparsed, and refuses none.
_OPERATOR: Final = re.compile(r"[-+*/%^<>=([]|or|and|unless|atan2")
# No character can be read in two ways, or a quote that is never closed would take a time without an end.
_COMMENT_OR_TEXT: Final = re.compile(r"""#[^\n]*|(["'])(?:\\.|(?!\1)[^\\])*\1|`[^`]*`""", re.DOTALL)
_MARK: Final = "\N{NULL}"
"""Stands for a variable where it is looked for; PromQL has no such character."""
_ANSWERS_WITHOUT_VALUES: Final = (
    promql_parser.MatrixSelector,
    promql_parser.SubqueryExpr,
    promql_parser.StringLiteral,
)

_ANSWERS_OF_ONE: Final = frozenset({"scalar", "absent", "absent_over_time", "histogram_quantile"})
"""Functions whose answer is one series, or one for what is left of the labels without `le`."""


def check_queries(canary: Canary) -> Iterator[Problem]:
    """Check the (deprecated) queries that stand in the canary itself."""
    room, unread = MOST_PARSED_QUERIES_CHARS, MOST_READ_QUERIES_CHARS
    for index, metric in enumerate(canary.analysis.metrics if canary.analysis is not None else ()):
        if not metric.query or metric.template_ref is not None:
            continue
        unread -= len(metric.query)
        if unread < 0:
            return
        path = f"{canary.analysis_path}.metrics[{index}].query"
        try:
            text = _filled(canary, metric, metric.query)
        except TemplateError as error:
            yield Problem(path, error.found, error.allowed)
            continue
        room -= len(text)
        if room >= 0:
            yield from _promql_problems(path, text)


def check_template_query(template: MetricTemplate) -> Iterator[Problem]:
    """Check a MetricTemplate's query. Its variables are set by the canaries that refer to it, so samples stand in."""
    query, path = template.spec.query, "spec.query"
    if not query.strip():
        return
    try:
        variables = sorted(used_variables(query))
    except TemplateError as error:
        yield Problem(path, error.found, error.allowed)
        return
    if template.spec.provider.type == PROMETHEUS and len(query) <= MOST_PARSED_QUERY_CHARS:
        problems = _sampled_problems(path, query, variables)
        # What a condition leaves out depends on the variables, too.
        is_certain = not has_conditions(query) and not _has_variables_outside_texts(query, variables)
        yield from (problem if is_certain else _as_warning(problem) for problem in problems)
    elif template.spec.provider.type != GRAPHITE and len(query) <= MOST_PARSED_QUERY_CHARS:
        yield from _form_problems(template, variables)


def _form_problems(template: MetricTemplate, variables: list[str]) -> Iterator[Problem]:
    """Warn of a query that is none of its type's, whatever is filled in: its canaries begin no run."""
    provider, faults = template.spec.provider, list[str]()
    for sample in (template.namespace, *_SAMPLE_VALUES):
        names = dict.fromkeys(_SAMPLE_NAMES, sample) | {"namespace": template.namespace, "interval": "1m"}
        try:
            text = render_query(template.spec.query, names, dict.fromkeys(variables, sample), is_promql=False)
        except TemplateError:
            return
        faults.append(form_fault(provider.type, text, template.namespace, provider.address))
    if all(faults):
        yield Problem("spec.query", template.spec.query, f"one that can be asked; {faults[0]}", is_warning=True)


def check_template_counts(template: MetricTemplate) -> Iterator[Problem]:
    """Check a MetricTemplate's counts: of Prometheus, and selectors of counters, whose raw samples can be asked for."""
    counts = template.spec.counts
    if counts is None:
        return
    if template.spec.provider.type != PROMETHEUS:
        allowed = f"nothing beside another provider than {PROMETHEUS}; found {template.spec.provider.type}"
        yield Problem("spec.counts", as_written(counts), allowed)
        return
    for field, text in (("good", counts.good), ("total", counts.total)):
        path = f"spec.counts.{field}"
        if len(text) > MOST_PARSED_QUERY_CHARS:
            yield Problem(path, Described(f"{len(text)} characters"), f"at most {MOST_PARSED_QUERY_CHARS}")
            continue
        try:
            variables = sorted(used_variables(text))
            filled = _with_samples(text, dict.fromkeys(variables, _SAMPLE_VALUES[0]))
        except TemplateError as error:
            yield Problem(path, error.found, error.allowed)
            continue
        if not _is_selector(filled):
            allowed = (
                'a selector of counters, such as http_requests_total{status!~"5.."}, with no range and no function'
            )
            yield Problem(path, text, allowed)


def _is_selector(text: str) -> bool:
    try:
        parsed = promql_parser.parse(text)
    except ValueError:
        return False
    return isinstance(parsed, promql_parser.VectorSelector) and parsed.offset is None and parsed.at is None


def check_filled_queries(
    canary: Canary, metrics: Iterable[tuple[str, CanaryMetric, MetricTemplate]]
) -> Iterator[Problem]:
    """Check the queries of templates with what the metrics fill in. All are warnings: the templates may yet change.

    Of a template in another namespace only its fault is shown: who may refer to it need not be allowed to read it.
    `metrics` gives each with its path, e.g. `spec.analysis.metrics[0]`, and the template that it refers to.
    """
    room, unread = MOST_PARSED_QUERIES_CHARS, MOST_READ_QUERIES_CHARS
    for path, metric, template in metrics:
        unread -= len(template.spec.query)
        if unread < 0:
            return
        try:
            text = _filled(canary, metric, template.spec.query, template.spec.provider.type)
        except TemplateError as error:
            yield _unfilled(canary, path, metric, template, error)
            continue
        provider = template.spec.provider
        if provider.type != PROMETHEUS:
            fault = form_fault(provider.type, text, template.namespace, provider.address)
            if fault and len(template.spec.query) <= MOST_PARSED_QUERY_CHARS:
                yield _unasked(canary, path, template, fault)
            continue
        room -= len(text)
        if room < 0:
            continue
        for problem in _promql_problems(f"{path}.templateRef", text):
            yield _as_warning(problem) if template.namespace == canary.namespace else _not_promql(problem, template)


def check_rendering(canary: Canary, metrics: Iterable[tuple[str, CanaryMetric, MetricTemplate]]) -> Iterator[Problem]:
    """Find the queries of templates that can't be filled in: whatever their server takes, they get no answer.

    It is asked with each tick, so what was found is remembered, and the first queries have to do.
    """
    room = MOST_RENDERED_QUERIES_CHARS
    for path, metric, template in metrics:
        room -= len(template.spec.query)
        if room < 0:
            return
        names = query_names(canary, metric.interval_for(template.spec.provider.type))
        is_trusted = template.namespace == canary.namespace
        filled = tuple(names.items()), tuple(metric.template_variables.items())
        fault = _fault_of(_Asked.of(template, is_trusted=is_trusted), *filled)
        if isinstance(fault, TemplateError):
            yield _unfilled(canary, path, metric, template, fault)
        elif fault:
            yield _unasked(canary, path, template, fault)


class _Asked(NamedTuple):
    """Of a template what its query depends on."""

    query: str
    type: MetricProviderType
    namespace: str
    address: str
    is_trusted: bool

    @classmethod
    def of(cls, template: MetricTemplate, *, is_trusted: bool) -> "_Asked":
        provider = template.spec.provider
        return cls(template.spec.query, provider.type, template.namespace, provider.address, is_trusted)


@lru_cache(maxsize=1_000)
def _fault_of(
    asked: _Asked, names: tuple[tuple[str, str], ...], variables: tuple[tuple[str, str], ...]
) -> TemplateError | str:
    """Return what is wrong with a query once it is filled in: words, empty where nothing is."""
    is_promql = asked.type == PROMETHEUS
    try:
        text = render_query(asked.query, dict(names), dict(variables), is_trusted=asked.is_trusted, is_promql=is_promql)
    except TemplateError as error:
        return error.with_traceback(None)
    return form_fault(asked.type, text, asked.namespace, asked.address)


def _unasked(canary: Canary, path: str, template: MetricTemplate, fault: str) -> Problem:
    """Tell of a query that is filled in and still none that can be asked, of another namespace's not why."""
    name, is_shown = f"{template.namespace}/{template.name}", template.namespace == canary.namespace
    fault = fault if is_shown else "its query is none that is asked"
    allowed = f"a template that can be asked; MetricTemplate {name} spec.query: {fault}"
    return Problem(f"{path}.templateRef.name", template.name, allowed, is_warning=True)


def _unfilled(
    canary: Canary, path: str, metric: CanaryMetric, template: MetricTemplate, error: TemplateError
) -> Problem:
    is_shown = template.namespace == canary.namespace or isinstance(error, UnknownVariable | QueryTooLong)
    fault = str(error) if is_shown else "has a spec.query whose braces can't be filled in"
    allowed = f"what MetricTemplate {template.namespace}/{template.name} asks for; it {fault}"
    return Problem(f"{path}.templateVariables", metric.template_variables or None, allowed, is_warning=True)


def _filled(canary: Canary, metric: CanaryMetric, query: str, provider_type: MetricProviderType = PROMETHEUS) -> str:
    """Fill in a query that is short enough to be parsed; a longer one is only looked at for what can't be filled in.

    What is filled in may be long, and asked for often: of it, too, no more is taken than makes the query too long.
    """
    is_short = len(query) <= MOST_PARSED_QUERY_CHARS
    most = MOST_PARSED_QUERY_CHARS + 1 if is_short else 0
    interval = metric.interval_for(provider_type)
    names = {name: value[:most] for name, value in query_names(canary, interval).items()}
    variables = {name: value[:most] for name, value in metric.template_variables.items()}
    filled = render_query(query, names, variables)
    return filled if is_short else query


def _sampled_problems(path: str, query: str, variables: list[str]) -> tuple[Problem, ...]:
    """Return the problems that are left whatever sample stands in for each variable; those of the first sample."""
    first: tuple[Problem, ...] | None = None
    is_small = len(variables) <= _MAX_SAMPLED_VARIABLES and _count_operators(query) <= _MAX_SAMPLED_OPERATORS
    for values in _samples(len(variables), is_each_tried=is_small):
        problems = tuple(_promql_problems(path, _with_samples(query, dict(zip(variables, values, strict=True)))))
        if not problems:
            return ()
        first = problems if first is None else first
    return first or ()


def _samples(count: int, *, is_each_tried: bool) -> Iterator[tuple[str, ...]]:
    if is_each_tried:
        return product(_SAMPLE_VALUES, repeat=count)
    return iter([(value,) * count for value in _SAMPLE_VALUES])


def _with_samples(query: str, variables: Mapping[str, str]) -> str:
    return render_query(query, {**_SAMPLE_NAMES, "interval": "1m"}, variables)


def _has_variables_outside_texts(query: str, variables: list[str]) -> bool:
    """Return whether a variable stands outside of quotes and comments: such a one may be any piece of PromQL."""
    return _MARK in _COMMENT_OR_TEXT.sub("", _with_samples(query, dict.fromkeys(variables, _MARK)))


def _promql_problems(path: str, text: str) -> Iterator[Problem]:
    if len(text) > MOST_PARSED_QUERY_CHARS or _count_operators(text) > MOST_PARSED_OPERATORS:
        return
    try:
        parsed = promql_parser.parse(text)
    except ValueError as error:
        is_small = _count_operators(text) <= _MAX_SAMPLED_OPERATORS
        fault = find_fault(text, str(error)) if is_small else None
        found = text if fault is None else Described(fault.describe(text))
        # Of newer servers, and of relatives of Prometheus, there are functions that the parser does not know.
        yield Problem(path, found, f"PromQL ({error})", is_warning="unknown function" in str(error))
        return
    while isinstance(parsed, promql_parser.ParenExpr):
        parsed = parsed.expr
    if isinstance(parsed, _ANSWERS_WITHOUT_VALUES):
        yield Problem(path, text, "PromQL whose answer is a number, not a range or a text")
    elif _is_of_all_series(parsed):
        allowed = (
            "PromQL that gives one series, for example by sum() around it; this asks for every series of the name, and "
            "several are an error in the check"
        )
        yield Problem(path, text, allowed, is_warning=True)


def _is_of_all_series(parsed: object) -> bool:
    """Return whether it asks for each series of a metric's name, whatever its labels."""
    match parsed:
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr() as inside:
            return _is_of_all_series(inside.expr)
        case promql_parser.VectorSelector() as selector:
            matchers = selector.matchers
            return not matchers.or_matchers and all(matcher.name == "__name__" for matcher in matchers.matchers)
        case promql_parser.MatrixSelector() as window:
            return _is_of_all_series(window.vector_selector)
        case promql_parser.Call() as call:
            return call.func.name not in _ANSWERS_OF_ONE and any(_is_of_all_series(part) for part in call.args)
        case promql_parser.BinaryExpr() as pair:
            sides = [side for side in (pair.lhs, pair.rhs) if not isinstance(side, promql_parser.NumberLiteral)]
            return bool(sides) and all(_is_of_all_series(side) for side in sides)
        case _:
            return False


def _count_operators(text: str) -> int:
    return sum(1 for _ in _OPERATOR.finditer(text))


def _not_promql(problem: Problem, template: MetricTemplate) -> Problem:
    allowed = "a template whose spec.query is PromQL that gives one number, once it is filled in"
    return Problem(problem.path, f"{template.namespace}/{template.name}", allowed, is_warning=True)


def _as_warning(problem: Problem) -> Problem:
    return Problem(problem.path, problem.found, problem.allowed, is_warning=True)
