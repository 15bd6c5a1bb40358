"""What a Canary sets in a query stays where the template puts it, and makes no query too long."""

import tracemalloc

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.query_template import QueryTooLong, TemplateError, render_query

NAMES = {"namespace": "test", "interval": "1m", "target": "podinfo"}
EVIL = 'a"} or up{b="c'


@pytest.mark.parametrize(
    ("query", "value", "filled"),
    [
        ('x{a="{{ variables.v }}"}', EVIL, r'x{a="a\"} or up{b=\"c"}'),
        ("x{a='{{ variables.v }}'}", "it's", r"x{a='it\'s'}"),
        ('x{a="{{ variables.v }}"}', "back\\", 'x{a="back\\\\"}'),
        ('x{a="{{ variables.v }}"}', "one\ntwo", r'x{a="one\ntwo"}'),
        # Flagger's users escape regular expressions themselves: they keep their meaning.
        ('x{a=~"{{ variables.v }}"}', r"a\\.b|\"c", r'x{a=~"a\\.b|\"c"}'),
        ('x{a=~"{{ index variables "v" }}"}', 'say "x"', r'x{a=~"say \"x\""}'),
        ('x{a="{{ printf "%s-%s" variables.v namespace }}"}', '"', r'x{a="\"-test"}'),
        ('x{a={{ printf "%q" variables.v }}}', EVIL, r'x{a="a\"} or up{b=\"c"}'),
        ('x{a="{{ printf "%q" variables.v }}"}', "c", r'x{a="\"c\""}'),
        ('x{a="#"} + {{ variables.v }}', "up", 'x{a="#"} + up'),
        ('x{a="\\""} + {{ variables.v }}', "up", 'x{a="\\""} + up'),
        ("x[{{ variables.v }}] # it's\n", "5m", "x[5m] # it's\n"),
    ],
)
@pytest.mark.parametrize("is_trusted", [True, False])
def test_what_is_set_within_quotes_stays_within(query: str, value: str, filled: str, *, is_trusted: bool) -> None:
    assert render_query(query, NAMES, {"v": value}, is_trusted=is_trusted) == filled


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("sum({{ variables.v }})", "up) or sum(secret"),
        ("x{ {{ variables.v }} }", 'a="b"'),
        ('x{a={{ printf "%s" variables.v }}}', '"b"} or up{a="b"'),
        ("x{a=`{{ variables.v }}`}", "` or up{b=`c"),
        ("x # {{ variables.v }}\n", "\n or up"),
        ('x{a="\\{{ variables.v }}"}', '"} or up{b="c'),
        ("{{ printf variables.v }}", "up or x"),
    ],
)
def test_outside_of_quotes_another_namespace_sets_one_word_and_its_own_anything(query: str, value: str) -> None:
    with pytest.raises(
        TemplateError, match="allowed: a name, a number or a duration there, for the template is another"
    ):
        render_query(query, NAMES, {"v": value}, is_trusted=False)
    assert value in render_query(query, NAMES, {"v": value})


@pytest.mark.parametrize("value", ["http_requests_total", "5m", "0.99", "-1", "job:x:rate5m", ""])
def test_a_word_is_set_anywhere(value: str) -> None:
    assert render_query("f({{ variables.v }})", NAMES, {"v": value}, is_trusted=False) == f"f({value})"


@given(st.text() | st.text(alphabet="\"'`\\\n#{}a="), st.sampled_from("\"'"))
def test_whatever_is_set_within_quotes_is_one_text(value: str, quote: str) -> None:
    query = f"x{{a={quote}{{{{ variables.v }}}}{quote}}}"
    filled = render_query(query, NAMES, {"v": value}, is_trusted=False)
    try:
        parsed = promql_parser.parse(filled)
    except ValueError:
        return  # an escape that PromQL does not know: no answer, and nobody else's either
    assert isinstance(parsed, promql_parser.VectorSelector)
    assert (parsed.name, len(parsed.matchers.matchers)) == ("x", 1)


@pytest.mark.parametrize(
    "query",
    [
        "{{ variables.v }}" * 1_000,
        '{{ printf "' + "%s" * 500 + '"' + " variables.v" * 500 + " }}",
        '{{ if eq variables.v "" }}{{ else }}' + "{{ variables.v }}" * 200 + "{{ end }}",
        "x" * 65_537,
    ],
)
def test_a_query_that_becomes_too_long_is_refused_before_it_is_made(query: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(
            QueryTooLong, match="found more than 65536 bytes, once it is filled in; allowed: at most 65536"
        ):
            render_query(query, NAMES, {"v": "x" * 50_000})
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ('r.app == "{{ variables.v }}"', "${secret}"),  # Flux evaluates it
        ('eq(app,"{{ variables.v }}")', '~" or x'),  # Dynatrace's escape is ~
        ("WHERE app = '{{ variables.v }}'", "a' OR '1' = '1"),
        ("WHERE a = {{ variables.v }} AND b = 1", "b--"),  # a comment in NRQL
        ("WHERE a = {{ variables.v }}", "b -- c"),
        ("target=app.{{ variables.v }}.errors", "x&target=secret"),
        ("target=app.{{ variables.v }}.errors", "*"),
        ("avg:errors{app:{{ variables.v }}}", "a}by{b"),
        ("avg:errors{app:{{ variables.v }}}", "a,env:other"),
        ('r.app == {{ printf "%q" variables.v }}', "a"),
        ("app.{{ variables.v }}", ""),
    ],
)
def test_in_another_language_another_namespace_sets_plain_words_and_its_own_anything(query: str, value: str) -> None:
    """What ends a text, or begins one, each language has rules of its own for."""
    with pytest.raises(TemplateError, match="allowed: a name, a number or a duration there"):
        render_query(query, NAMES, {"v": value}, is_trusted=False, is_promql=False)
    assert value in render_query(query, NAMES, {"v": value}, is_promql=False)


@pytest.mark.parametrize("value", ["podinfo-canary", "5m", "0.99", "a_b", "v1.2-rc.1"])
def test_a_plain_word_is_set_in_any_language(value: str) -> None:
    for query in ('"{{ variables.v }}"', "app:{{ variables.v }}", '{{ printf "%s" variables.v }}'):
        assert value in render_query(query, NAMES, {"v": value}, is_trusted=False, is_promql=False)


def test_quotes_of_another_language_are_left_as_they_are() -> None:
    query = """a == "{{ variables.v }}" # it's {{ variables.v }}"""
    assert render_query(query, NAMES, {"v": '\\"'}, is_promql=False) == """a == "\\"" # it's \\\""""
