"""From a verb to its end: the exit code, and what was typed wrongly. What is heavy is imported when it is needed."""

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from cli.cluster.selection import ClusterOptions
from cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from cli.cluster.access import Access

_REVISION: Final = re.compile(r"[0-9a-f]+(-[0-9a-z]*)?")

# ruff: noqa: PLC0415  see above


def run_verb(options: ClusterOptions, verb: "Callable[[Access], Awaitable[ExitCode]]") -> NoReturn:
    """Run a verb on the cluster that is meant; end with its exit code."""
    from cli.cluster.access import run

    try:
        code = run(options, verb)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(code)


def seconds_of(option: str, text: str) -> float:
    """Return the seconds of an option; one that is no duration ends the command."""
    from canary.api.duration import parse_duration_s

    try:
        seconds = parse_duration_s(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        misused(f"{option}: found {text!r}; allowed: a duration such as 30s or 1h30m")
    return seconds


def checked_revision(option: str, text: str) -> str:
    """Return a revision of an option; one that can be none ends the command."""
    if text and not _REVISION.fullmatch(text):
        misused(f"{option}: found {text!r}; allowed: a revision such as 3f2a9c0d11e4b7a6, or its first characters")
    return text


def misused(line: str) -> NoReturn:
    """End the command with one line: it was used wrongly."""
    from cli.terminal import complain

    complain(f"serin: {line}")
    raise typer.Exit(ExitCode.USAGE)
