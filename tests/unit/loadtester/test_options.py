"""The flags, in this project's spelling and in the one of manifests made for Flagger."""

import pytest

from loadtester.options import parse_duration_s, parse_options


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "8081", "--log-level", "error", "--timeout", "90s", "--namespace-regexp", "^te"],
        ["--port=8081", "--log-level=error", "--timeout=90s", "--namespace-regexp=^te"],
        ["-port=8081", "-log-level=error", "-timeout=90s", "-namespace-regexp=^te"],
        ["-port", "8081", "-log-level", "error", "-timeout", "90s", "-namespace-regexp", "^te"],
    ],
)
def test_every_spelling_of_the_flags_says_the_same(arguments: list[str]) -> None:
    options = parse_options(arguments)

    assert (options.port, options.log_level, options.timeout_s) == (8081, "error", 90.0)
    assert options.namespace_pattern.search("test")
    assert not options.namespace_pattern.search("prod")


def test_the_command_line_of_flaggers_chart_without_a_namespace_pattern_allows_every_namespace() -> None:
    options = parse_options(["-port=8080", "-log-level=info", "-timeout=1h", "-namespace-regexp="])

    assert options.timeout_s == 3600.0
    assert options.namespace_pattern.search("anything")


def test_flags_may_be_left_out() -> None:
    options = parse_options([])

    assert (options.port, options.log_level, options.timeout_s) == (8080, "info", 3600.0)


@pytest.mark.parametrize("written", ["warn", "warning"])
def test_the_level_may_be_written_as_flagger_does(written: str) -> None:
    assert parse_options([f"-log-level={written}"]).log_level == "warning"


@pytest.mark.parametrize(
    ("text", "duration_s"), [("1h", 3600.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1.5m", 90.0), ("2m10s", 130.0)]
)
def test_durations_read_as_in_go(text: str, duration_s: float) -> None:
    assert parse_duration_s(text) == duration_s


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--timeout", "1 hour"], "'1 hour' is not a duration: allowed is one longer than 0, as in 90s or 1h30m"),
        (["--timeout", "60"], "'60' is not a duration"),
        (["--timeout", "0s"], "'0s' is not a duration"),
        (["--port", "http"], "'http' is not a port: allowed is a number from 0 to 65535"),
        (["--port", "65536"], "'65536' is not a port"),
        (["--namespace-regexp", "("], "'(' is not a regular expression"),
        (["--log-level", "loud"], "invalid choice: 'loud'"),
        (["--gates", "on"], "unrecognized arguments: --gates on"),
    ],
)
def test_a_bad_flag_is_refused_with_what_is_allowed(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_options(arguments)

    assert complaint in capsys.readouterr().err
