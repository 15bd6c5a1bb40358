"""Query templates: what is accepted means what it means in Go, and all else is refused clearly.

What the forms come to was taken from Go 1.26's text/template, with Flagger's functions and its `missingkey=error`.
"""

import time
from contextlib import suppress

import pytest

from canary.api.query_template import (
    TemplateError,
    UnknownVariable,
    has_conditions,
    query_names,
    render_query,
    used_variables,
)
from tests.support.canaries import canary

VARIABLES = {"code": "404", "empty": "", "words": 'a "b"'}


def rendered(query: str) -> str:
    return render_query(query, query_names(canary(), "1m"), VARIABLES)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('x{ns="{{ namespace }}"}', 'x{ns="test"}'),
        ("{{target}}-{{ service }}", "podinfo-podinfo"),
        ("rate(x[{{ interval }}])", "rate(x[1m])"),
        ("{{ ingress }} {{ route }}", "podinfo podinfo"),
        ("no template }}", "no template }}"),
        ("x{{ `{` }}}", "x{}"),
        ("{{\n  name\n}}", "podinfo"),
        # variables
        ("{{ variables.code }}", "404"),
        ('{{ index variables "code" }}', "404"),
        ('{{ index variables (printf "co%s" "de") }}', "404"),
        ('{{ index variables "nope" }}', ""),
        # trim markers
        ("a \n{{- name -}}\n b", "apodinfob"),
        ("a {{- name }} b", "apodinfo b"),
        ("a {{ name -}} b", "a podinfob"),
        ("{{- -5 }}", "-5"),
        ("{{-5}}", "-5"),
        # comments
        ("a {{/* not {{ this }} */}} b", "a  b"),
        ("a {{- /* nor\nthis */ -}} b", "ab"),
        # strings
        (r'{{ "a\n\"b\"\\\x41\u00e9" }}', 'a\n"b"\\Aé'),
        (r"{{ `a\n` }}", r"a\n"),
        ('{{ "}}" }}', "}}"),
        # printf
        (
            '{{ printf "kube(ew)?_%s__%s_canary__.*__%s_canary(_[0-9]+)?" namespace ingress service }}',
            "kube(ew)?_test__podinfo_canary__.*__podinfo_canary(_[0-9]+)?",
        ),
        ('{{ printf "%s_%s" namespace service }}', "test_podinfo"),
        ('{{ printf "%q %d%% %v %v %v" variables.words 5 "s" 6 true }}', r'"a \"b\"" 5% s 6 true'),
        ('{{ printf "%q" "\\n\\x01é" }}', r'"\n\x01é"'),
        # pipes
        ('{{ namespace | printf "%s.%s" target }}', "podinfo.test"),
        ('{{ variables.code|printf "%s"|printf "%q" }}', '"404"'),
        ('{{ (printf "%s" (name)) }}', "podinfo"),
        # conditions
        ('{{ if eq variables.code "404" }}yes{{ else }}no{{ end }}', "yes"),
        ('{{ if ne variables.code "404" "x" | not }}a{{ else if variables.empty }}b{{ else }}c{{ end }}', None),
        ("{{ if variables.empty }}a{{ else if name }}b{{ else }}c{{ end }}", "b"),
        ('x{{ if index variables "nope" }},y{{ end }}', "x"),
        ("a{{ if name -}}  b  {{- end }} c", "ab c"),
        ('{{ eq name "a" "podinfo" }} {{ ne 1 2 }} {{ not "" }}', "true true true"),
        ('{{ or variables.empty "5m" }} {{ and name variables.empty }}{{ or name variables.nope }}', "5m podinfo"),
        ("{{ if and name (eq 1 1) (not variables.empty) }}a{{ if false }}b{{ end }}{{ end }}", "a"),
    ],
)
def test_what_is_accepted_means_what_it_means_in_go(query: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(TemplateError):
            rendered(query)
    else:
        assert rendered(query) == expected


@pytest.mark.parametrize(
    "action",
    [
        *(
            "{{ pod }}",
            "{{ .namespace }}",
            "{{ $x := name }}",
            "{{ range variables }}",
            '{{ template "x" }}',
            "{{ nil }}",
        ),
        *('{{ name "x" }}', "{{ name target }}", '{{ "a""b" }}', '{{ "a" name }}', "{{ name.x }}", "{{ name .x }}"),
        *(
            "{{ variables }}",
            "{{ variables.a.b }}",
            "{{ variables .a }}",
            "{{ index variables }}",
            "{{ index name 1 }}",
        ),
        *(
            '{{ printf "%s" }}',
            '{{ printf "%d" name }}',
            '{{ printf "%s" 5 }}',
            '{{ printf "x" name }}',
            "{{ printf 5 }}",
        ),
        *(
            '{{ printf "%5s" name }}',
            '{{ printf "%" }}',
            "{{ printf }}",
            "{{ eq 1 }}",
            '{{ eq 1 "1" }}',
            "{{ ne 1 2 3 }}",
        ),
        *(
            "{{ not }}",
            "{{ or }}",
            "{{ and | or name }}",
            "{{ or variables.code }",
            "{{}}",
            "{{ | name }}",
            "{{ name | }}",
        ),
        *(
            "{{ (name }}",
            "{{ name) }}",
            "{{ 1.5 }}",
            "{{ 0x5 }}",
            "{{ 007 }}",
            "{{ 'c' }}",
            r'{{ "\q" }}',
            r'{{ "\ud800" }}',
        ),
        *("{{ end }}", "{{ else }}", "{{-name}}", "{{name-}}", "{{ name", "{{ /* c */ }}", "{{/* c */ }}", "{{/* c"),
        *(
            "{{ if name }}",
            "{{ if }}{{ end }}",
            "{{ if false }}{{ pod }}{{ end }}",
            '{{ if false }}{{ printf "%d" name }}',
        ),
        *(
            "{{ if name }}{{ else }}{{ else }}{{ end }}",
            "{{ if name }}{{ end x }}",
            "{{ len name }}",
            "{{ name | name }}",
        ),
    ],
)
def test_anything_else_is_refused_with_its_place(action: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(f"x\n  {action}")
    assert not isinstance(caught.value, UnknownVariable)
    assert "(line 2, column " in caught.value.found.text
    assert "allowed" in str(caught.value)


def test_a_refusal_shows_the_action_at_fault_and_not_the_whole() -> None:
    query = "a\n" * 100 + '  {{ name }} {{ printf "%d" name }} {{ name }}'
    with pytest.raises(TemplateError, match="printf with") as caught:
        rendered(query)
    assert caught.value.found.text == """'{{ printf "%d" name }}' (line 101, column 14)"""


def test_a_variable_that_nothing_sets_is_named() -> None:
    with pytest.raises(UnknownVariable, match="the variables code, empty, words"):
        rendered("x{{ variables.nope }}")
    with pytest.raises(UnknownVariable):
        rendered("{{ or variables.empty variables.nope }}")


def test_variables_are_found_wherever_they_stand() -> None:
    query = (
        '{{ if eq variables.a (index variables "b") }}{{ "c" | index variables }}{{ else }}{{ variables.d }}{{ end }}'
    )
    assert used_variables(query) == {"a", "b", "c", "d"}
    assert has_conditions(query)
    assert not has_conditions("{{ or variables.a name }}")


def test_more_braces_than_anybody_writes_are_refused() -> None:
    assert rendered("{{ name }}" * 2_000) == "podinfo" * 2_000
    with pytest.raises(TemplateError, match="at most 2000 pairs of braces"):
        rendered("{{ name }}" * 2_001)


@pytest.mark.parametrize(
    "query",
    [
        *("up{{" + " " * 1000, "{{" * 5_000, "{{ " * 5_000 + "name }}", "{{" + "(" * 5_000, "{{/*" * 5_000),
        *("{{ if name }}" * 5_000, "{{ name " + "| name " * 5_000 + "}}", "{{ end }}" * 5_000),
        *(
            "{{ if name }}{{ else " + "}}{{ else if name " * 5_000 + "}}{{ end }}",
            "{{ printf " + "name " * 5_000 + "}}",
        ),
        "{{ name }} " * 5_000,
    ],
    ids=len,
)
def test_no_template_takes_a_long_time(query: str) -> None:
    started_s = time.process_time()
    for ask in (used_variables, rendered):
        with suppress(TemplateError):
            ask(query)
    assert time.process_time() - started_s < 1
