"""`-h`, and what was typed that no option takes: in the words of the command, not of the libraries below it."""

import pytest

from tests.unit.cli.conftest import Serin

VERBS = [
    *("get", "status", "history", "events", "promote", "abort", "pause", "resume"),
    *("retry", "skip", "undo", "replay", "doctor", "migrate", "lint", "plan", "render"),
]


@pytest.mark.parametrize(
    ("verb", "usage"),
    [
        ("lint", "Usage: serin lint [OPTIONS] FILE..."),
        ("get", "Usage: serin get [OPTIONS] [NAME]"),
        ("undo", "Usage: serin undo [OPTIONS] NAME"),
    ],
)
def test_what_must_be_there_is_in_no_brackets(serin: Serin, verb: str, usage: str) -> None:
    assert serin(verb, "-h").stdout.splitlines()[0].replace("root", "serin") == usage


def test_no_help_has_the_types_of_the_language(serin: Serin) -> None:
    for verb in VERBS:
        ran = serin(verb, "-h")
        assert ran.code == 0
        assert ran.stdout == serin(verb, "--help").stdout
        assert not [word for word in ("<str>", "<list", "{") if word in ran.stdout], verb


def test_a_value_that_an_option_does_not_take_is_told_plainly(serin: Serin) -> None:
    ran = serin("lint", "-o", "yml", "x")
    line = "Error: Invalid value for '--output' / '-o': 'yml' is not one of 'text', 'json'."
    assert (ran.code, ran.stderr.splitlines()[-1]) == (2, line)
