"""Query templates: the forms that users write, and a clear refusal of all others."""

import time
from contextlib import suppress

import pytest

from canary.api.query_template import TemplateError, query_names, render_query, used_variables
from tests.support.canaries import canary


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('x{ns="{{ namespace }}"}', 'x{ns="test"}'),
        ("{{target}}-{{ service }}-{{- name -}}", "podinfo-podinfo-podinfo"),
        ("rate(x[{{ interval }}])", "rate(x[1m])"),
        ("{{ ingress }} {{ route }}", "podinfo podinfo"),
        ("{{ variables.code }}", "404"),
        ('{{ index variables "code" }}', "404"),
        ("no template", "no template"),
        ("{{\n  name\n}} }} {{ name", "podinfo }} {{ name"),
    ],
)
def test_known_forms_are_filled_in(query: str, expected: str) -> None:
    assert render_query(query, query_names(canary(), "1m"), {"code": "404"}) == expected


@pytest.mark.parametrize(
    "action", ["{{ pod }}", "{{ .namespace }}", "{{ if namespace }}", "{{ variables.nope }}", '{{ printf "%s" name }}']
)
def test_anything_else_is_refused_by_name(action: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render_query(f"x{action}", query_names(canary(), "1m"), {"code": "404"})
    assert action in str(caught.value)
    assert "allowed" in str(caught.value)


@pytest.mark.parametrize("query", ["up{{" + " " * 1000, "{{" * 20_000, "{{ " * 20_000 + "name }}"], ids=len)
def test_braces_without_an_end_take_no_time(query: str) -> None:
    started_s = time.process_time()
    for ask in (used_variables, lambda text: render_query(text, query_names(canary(), "1m"), {})):
        with suppress(TemplateError):
            ask(query)
    assert time.process_time() - started_s < 1
