"""What is found in a query before it is sent: of its template, and of its PromQL."""

import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.providers.alerts.registry import CHAT_FORMATS
from canary.api.alert_provider import AlertProviderType
from canary.api.canary import Canary
from canary.api.metric_template import EventCounts, MetricTemplate
from canary.api.problems import Described, Problem
from canary.rules.queries import check_filled_queries, check_queries, check_template_counts, check_template_query
from canary.rules.shape import alert_provider_problems, canary_problems, parse_metric_template

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]

BRACES = (
    "between the braces, name, namespace, target, service, ingress, route, interval, variables.NAME, "
    'index variables "NAME", printf, eq, ne, and, or, not, if, else, end'
)


def template(query: str, provider_type: str = "prometheus") -> MetricTemplate:
    provider = {"type": provider_type, "address": "http://prometheus:9090"}
    obj = {"metadata": {"name": "t"}, "spec": {"provider": provider, "query": query}}
    return parse_metric_template(obj) if provider_type == "prometheus" else MetricTemplate.model_validate(obj)


@pytest.mark.parametrize(
    "query",
    [
        "sum(up)",
        'sum(rate(x{namespace="{{ namespace }}", pod=~"{{ target }}-[0-9a-z]+"}[{{ interval }}])) / 2',
        'rate(x{code="{{ variables.code }}"}[{{ variables.window }}]) > {{ variables.least }}',
        'x{code="{{ index variables "code" }}"}',
        "{{ variables.everything }}",
        "x{ {{ variables.selector }} }",
        "histogram_quantile(0.99, sum by (le) (rate(x_bucket[30s]))) # in seconds\n",
    ],
)
def test_a_sound_query_has_no_problem(query: str) -> None:
    assert list(check_template_query(template(query))) == []


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (
            "sum(rate(x[1m])",
            Problem(
                "spec.query",
                Described("'sum(rate(x[1m])' (line 1, column 4, at '(')"),
                "PromQL (unclosed left parenthesis)",
            ),
        ),
        ("x{{ pod }}", Problem("spec.query", Described("'{{ pod }}' (line 1, column 2)"), BRACES)),
        (
            "sum(\n  x{ {{ pod }} }\n)",
            Problem("spec.query", Described("'{{ pod }}' (line 2, column 6)"), BRACES),
        ),
        (
            "rate(x[1m])[",
            Problem(
                "spec.query",
                Described("'rate(x[1m])[' (line 1, column 12, at '[')"),
                "PromQL (unexpected end of input inside brackets)",
            ),
        ),
        ("(x[5m])", Problem("spec.query", "(x[5m])", "PromQL whose answer is a number, not a range or a text")),
        (
            'sum(x{a="{{ variables.a }}"}',
            Problem(
                "spec.query",
                Described("'sum(x{a=\"podinfo\"}' (line 1, column 4, at '(')"),
                "PromQL (unclosed left parenthesis)",
            ),
        ),
        (
            "sum({{ variables.a }}",
            Problem(
                "spec.query",
                Described("'sum(podinfo' (line 1, column 4, at '(')"),
                "PromQL (unclosed left parenthesis)",
                is_warning=True,
            ),
        ),
        (
            "newest(x)",
            Problem("spec.query", "newest(x)", "PromQL (unknown function with name 'newest')", is_warning=True),
        ),
    ],
    ids=str,
)
def test_a_query_that_can_never_be_asked_is_an_error(query: str, problem: Problem) -> None:
    """What may be a variable's fault, or a function newer than the parser, is a warning."""
    assert list(check_template_query(template(query))) == [problem]


@pytest.mark.parametrize(
    "query",
    [
        "# it's\nsum(rate(x[1m])) {{ variables.op }} 2 # it's",
        "# it's\nsum(rate(x[1m])) {{ variables.op }} 'a'",
        '{{ index variables "a" }} "{{ variables.b }}',
    ],
)
def test_an_apostrophe_in_a_comment_hides_no_variable(query: str) -> None:
    found = list(check_template_query(template(query)))
    assert [problem.is_warning for problem in found] == [True]


def test_a_variable_in_a_comment_makes_nothing_uncertain() -> None:
    found = list(check_template_query(template('# not "{{ variables.a }}\nsum(x{a="{{ variables.b }}"}')))
    assert [problem.is_warning for problem in found] == [False]


def test_a_query_with_a_condition_is_never_certainly_wrong() -> None:
    """Another value of the variable might take another part."""
    query = '{{ if eq variables.kind "rate" }}sum(rate(x[1m])){{ end }}'
    assert [problem.is_warning for problem in check_template_query(template(query))] == [True]
    assert list(check_template_query(template(query.replace("{{ end }}", "{{ else }}sum(x){{ end }}")))) == []


def test_a_quote_without_an_end_takes_no_time() -> None:
    """As does an apostrophe in a comment."""
    escaped = "\\\\d" * 14
    query = f'# don\'t count health checks\nsum(rate(x{{path=~"{escaped}"}}[1m]))'
    started_s = time.process_time()
    assert list(check_template_query(template(query))) == []
    assert time.process_time() - started_s < 1


def test_other_languages_are_not_read_as_promql() -> None:
    assert list(check_template_query(template("avg:requests{*", "datadog"))) == []
    assert [problem.found for problem in check_template_query(template("{{ pod }}", "datadog"))] == [
        Described("'{{ pod }}' (line 1, column 1)")
    ]


def test_a_query_as_deep_as_the_parser_can_bear_is_parsed_and_a_deeper_one_is_left_alone() -> None:
    for depth in (2_000, 32_000):  # 64 KiB, the longest query there is
        assert list(check_template_query(template("(" * depth + "x" + ")" * depth))) == []


@pytest.mark.parametrize("query", ["1" + "+1" * 2_000, "(" * 2_000 + "x" + ")" * 2_000], ids=["sum", "parentheses"])
def test_a_query_of_very_many_operators_is_left_alone_and_takes_no_time(query: str) -> None:
    took_s = []
    for _ in range(3):
        started_s = time.process_time()
        assert list(check_template_query(template(query))) == []
        took_s.append(time.process_time() - started_s)
    assert min(took_s) < 0.2


def test_a_long_sum_is_parsed() -> None:
    rate = 'sum(rate(envoy_cluster_upstream_rq{kubernetes_namespace="x",code!~"5.."}[1m]))'
    found = list(check_template_query(template(" + ".join([rate] * 45) + ")")))
    assert ["PromQL" in problem.allowed for problem in found] == [True]


def test_of_very_many_variables_and_operators_only_some_samples_are_tried() -> None:
    variables = " ".join(f"{{{{ variables.{name} }}}}" for name in "abcd")
    started_s = time.process_time()
    found = list(check_template_query(template(f"{'1+' * 350}'a' # {variables}")))
    assert [problem.is_warning for problem in found] == [False]
    assert time.process_time() - started_s < 1


@given(st.text(alphabet="ax1([{}])\"'`+-*/<=!~@,. \n\\é\ud800", max_size=60) | st.text(max_size=30))
def test_any_text_is_judged(query: str) -> None:
    if query.strip():
        assert all(problem.path == "spec.query" for problem in check_template_query(template(query)))


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ('sum(x{ns="{{ namespace }}"}[{{ interval }}])', "PromQL (expected type"),
        ("x{{ variables.code }}", "the variables none, for templateVariables sets none"),
        ('x{ns="{{ namespace }}"}', None),
    ],
)
def test_queries_in_the_canary_are_checked_with_its_own_values(
    canary_with: CanaryWith, query: str, problem: str | None
) -> None:
    metric = {"name": "own", "threshold": 1, "query": query}
    found = list(check_queries(Canary.model_validate(canary_with({"analysis/metrics/0": metric}))))
    assert [(item.path, item.is_warning) for item in found] == (
        [("spec.analysis.metrics[0].query", False)] if problem else []
    )
    assert all(problem is not None and problem in item.allowed for item in found)


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"window": "1m"}, None),
        ({"window": "soon"}, "spec.analysis.metrics[0].templateRef"),
        ({"windows": "1m"}, "spec.analysis.metrics[0].templateVariables"),
        ({}, "spec.analysis.metrics[0].templateVariables"),
    ],
)
def test_a_template_that_is_filled_in_wrongly_is_a_warning(
    canary_with: CanaryWith, variables: dict[str, str], path: str | None
) -> None:
    metric = {"name": "m", "templateRef": {"name": "t"}, "templateVariables": variables, "threshold": 1}
    canary = Canary.model_validate(canary_with({"analysis/metrics/0": metric}))
    assert canary.analysis is not None
    wanted = template("sum(rate(x[{{ variables.window }}]))")
    metrics = [("spec.analysis.metrics[0]", canary.analysis.metrics[0], wanted)]
    found = list(check_filled_queries(canary, metrics))
    assert [(item.path, item.is_warning) for item in found] == ([(path, True)] if path else [])


def test_queries_beyond_what_one_canary_may_ask_for_are_not_parsed(canary_with: CanaryWith) -> None:
    query = f"sum(x{{a='{'b' * 1_000}'}}"
    metrics = [{"name": f"m{number}", "threshold": 1, "query": query} for number in range(100)]
    canary = Canary.model_validate(canary_with({"analysis/metrics": metrics}))
    assert canary.analysis is not None
    assert len(list(check_queries(canary))) == 32
    there = [(f"m{number}", metric, template(query)) for number, metric in enumerate(canary.analysis.metrics)]
    assert len(list(check_filled_queries(canary, there))) == 32


def test_what_is_filled_in_is_no_longer_than_what_is_parsed(canary_with: CanaryWith) -> None:
    metric = {"name": "m", "templateRef": {"name": "t"}, "templateVariables": {"a": "x" * 1_000_000}, "threshold": 1}
    canary = Canary.model_validate(canary_with({"analysis/metrics/0": metric}))
    assert canary.analysis is not None
    for times, is_told in ((200, True), (2_000, False)):
        wanted = template("{{ variables.a }}" * times)
        tracemalloc.start()
        found = list(check_filled_queries(canary, [("m", canary.analysis.metrics[0], wanted)]))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert [problem.is_warning for problem in found] == [True] * is_told
        assert all("found more than 65536 bytes, once it is filled in" in problem.allowed for problem in found)
        assert peak_bytes < 20_000_000


def test_each_type_that_an_alert_provider_may_have_has_a_format() -> None:
    assert set(get_args(AlertProviderType)) == set(CHAT_FORMATS)


def test_each_of_them_is_admitted_without_a_warning() -> None:
    for provider_type in ("slack", "msteams", "discord", "rocket", "gchat", "webhook"):
        spec = {"type": provider_type, "address": "https://a"}
        assert alert_provider_problems({"metadata": {"name": "a"}, "spec": spec}) == ()


def test_warnings_are_told_beside_errors_of_shape(canary_with: CanaryWith) -> None:
    obj = canary_with(
        {"analysis/interval": "soon", "targetRef/kind": "Pod", "autoscalerRef/apiVersion": "autoscaling/v1"}
    )
    assert [(item.path, item.is_warning) for item in canary_problems(obj)] == [
        ("spec.analysis.interval", False),
        ("spec.targetRef.kind", False),
        ("spec.autoscalerRef.apiVersion", True),
    ]


def counted(good: str, total: str = "http_requests_total", provider: str = "prometheus") -> MetricTemplate:
    made = template("sum(x)", provider)
    counts = EventCounts(good=good, total=total)
    return made.model_copy(update={"spec": made.spec.model_copy(update={"counts": counts})})


@pytest.mark.parametrize(
    "good",
    [
        "http_requests_total",
        'http_requests_total{namespace="{{ namespace }}", status!~"5..", app="{{ variables.app }}"}',
    ],
)
def test_counts_are_selectors(good: str) -> None:
    assert list(check_template_counts(counted(good))) == []


@pytest.mark.parametrize("good", ["sum(a)", "a[1m]", "a offset 5m", "a @ 5", "5", "a{", "rate(a[1m])"])
def test_what_is_no_selector_has_no_raw_samples(good: str) -> None:
    allowed = 'a selector of counters, such as http_requests_total{status!~"5.."}, with no range and no function'
    assert list(check_template_counts(counted(good))) == [Problem("spec.counts.good", good, allowed)]
    assert list(check_template_counts(counted("a", good))) == [Problem("spec.counts.total", good, allowed)]


def test_only_prometheus_is_asked_for_counts() -> None:
    (problem,) = check_template_counts(counted("a", "b", "datadog"))
    assert problem == Problem(
        "spec.counts",
        {"good": "a", "total": "b"},
        "nothing beside another provider than prometheus; found datadog",
    )
