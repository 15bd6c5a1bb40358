"""Where a query stops being PromQL."""

from typing import Any

import promql_parser
import pytest

from canary.rules.promql_position import Position, find_fault
from canary.rules.queries import check_template_query
from canary.rules.shape import parse_metric_template

# The guide's, as it was printed with one comma missing.
WITHOUT_A_COMMA = """100 - sum(
    rate(
        http_request_duration_seconds_count{
          kubernetes_namespace="{{ namespace }}",
          kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"
          status!="404"
        }[{{ interval }}]
    )
)
/
sum(
    rate(
        http_request_duration_seconds_count{
          kubernetes_namespace="{{ namespace }}",
          kubernetes_pod_name=~"{{ target }}-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"
        }[{{ interval }}]
    )
) * 100
"""

SOUND = (
    "up",
    "histogram_quantile(0.99, sum by (le) (rate(x_bucket[30s]))) # in seconds\n",
    'sum(rate(x{a="b", c=~"d"}[1m])) by (a, b) / on (a) group_left (c) sum without (d) (y offset 5m)',
    'label_replace(up, "a", "$1", "b", "(.*)")',
    "max_over_time(rate(x[5m])[30m:1m])",
    "x @ 1609746000 + y @ start()",
    "-x ^ 2 == bool 1",
    "a and b or c unless d",
    'count_values("v", x{a="b",})',
    'x{a="b"} offset -5m',
    '{__name__=~"a.*"}',
    "(x + y) * 100 > -1",
    "rate(x[5m] offset 1w)[5m:]",
    "x{a='b'} / (b + c) > bool 0.5 # sum(",
)


def fault(text: str) -> Position | None:
    with pytest.raises(ValueError, match=r".*") as refused:
        promql_parser.parse(text)
    return find_fault(text, str(refused.value))


def test_a_missing_comma_is_shown_with_its_line_its_column_and_what_is_around_it() -> None:
    provider = {"type": "prometheus", "address": "http://prometheus:9090"}
    made: dict[str, Any] = {"metadata": {"name": "t"}, "spec": {"provider": provider, "query": WITHOUT_A_COMMA}}
    (problem,) = check_template_query(parse_metric_template(made))
    shown = str(problem)
    assert shown.startswith("spec.query: found ")
    assert "(line 6, column 11, at 'status'); allowed: PromQL (invalid promql query)" in shown
    assert "[0-9a-zA-Z]+(-[0-9a-zA-Z]+)" in shown
    assert 'status!="404"' in shown
    assert len(shown) < 300


@pytest.mark.parametrize(
    ("text", "line", "column", "word"),
    [
        ('x{a="b" c="d"}', 1, 9, "c"),
        ('100 - sum(rate(x{a="b" c="d"}[1m]))', 1, 24, "c"),
        ("1 2", 1, 3, "2"),
        ("x\n  y", 2, 3, "y"),
        ("sum by (a b) (x)", 1, 11, "b"),
        ("avg(sum(x) sum(y))", 1, 12, "sum"),
        ("histogram_quantile(0.9, sum by (le) (rate(x[1m])) y)", 1, 51, "y"),
        ("sum(rate(x[1m]) by (a)", 1, 17, "by"),
        ("x[1q]", 1, 3, "1q"),
        ("x $ y", 1, 3, "$"),
        ("x # )\n)", 2, 1, ")"),
        ("sum(x))", 1, 7, ")"),
        ("x{{}}", 1, 3, "{"),
        ("rate(x[1m]) / rate(y[1m]", 1, 19, "("),
        ('x{a="b', 1, 5, '"'),
        ("x +", 1, 4, ""),
        ("x + \n", 1, 4, ""),
    ],
)
def test_the_first_word_that_nothing_can_mend_is_the_fault(text: str, line: int, column: int, word: str) -> None:
    found = fault(text)
    assert found is not None
    assert (found.line, found.column, found.word) == (line, column, word)


@pytest.mark.parametrize("text", ["rate(x)", 'x{a=~"("}', "newest(x)", ""])
def test_of_what_has_the_shape_of_promql_no_place_is_guessed(text: str) -> None:
    assert fault(text) is None


@pytest.mark.parametrize("text", SOUND)
@pytest.mark.parametrize("junk", [" junk ? ", " ) "])
def test_no_beginning_of_a_sound_query_is_called_the_fault(text: str, junk: str) -> None:
    """Whatever stands behind it, the fault is there and not before."""
    promql_parser.parse(text)
    code = text.partition("#")[0].rstrip()
    found = fault(code + junk)
    assert found is not None
    assert found.offset >= len(code)
