"""Command line of the load tester; a flag is `--port 8080` or, as in manifests made for Flagger, `-port=8080`."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

LOG_LEVELS = ("debug", "info", "warn", "warning", "error")

_HIGHEST_PORT = 65535
_DURATION_TERM = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Options:
    """What the load tester was told on its command line."""

    port: int
    log_level: str
    timeout_s: float
    namespace_pattern: re.Pattern[str]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the flags."""
    parser = argparse.ArgumentParser(prog="loadtester", description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", "-port", type=parse_port, default=8080, help="port to listen on (default 8080)")
    parser.add_argument("--log-level", "-log-level", choices=LOG_LEVELS, default="info", help="what is logged")
    parser.add_argument(
        "--timeout",
        "-timeout",
        type=parse_duration_s,
        default=3600.0,
        metavar="DURATION",
        help="a command that runs longer is ended, as in 90s or 1h30m (default 1h)",
    )
    parser.add_argument(
        "--namespace-regexp",
        "-namespace-regexp",
        type=parse_pattern,
        default=re.compile(""),
        metavar="REGEXP",
        help="hooks of canaries in other namespaces are refused (default: none is)",
    )
    return parser


def parse_options(arguments: Sequence[str]) -> Options:
    """Read the flags; a bad one ends the process with status 2 and a message that says what is allowed."""
    flags = build_parser().parse_args(arguments)
    return Options(
        port=flags.port,
        log_level="warning" if flags.log_level == "warn" else flags.log_level,
        timeout_s=flags.timeout,
        namespace_pattern=flags.namespace_regexp,
    )


def parse_port(text: str) -> int:
    """Read a TCP port; 0 lets the system choose a free one.

    Raises:
        argparse.ArgumentTypeError: it is not a number from 0 to 65535.
    """
    if not text.isascii() or not text.isdigit() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: allowed is a number from 0 to {_HIGHEST_PORT}")
    return int(text)


def parse_duration_s(text: str) -> float:
    """Read a duration as Go writes it (`1h`, `1h30m`, `500ms`) into seconds.

    Raises:
        argparse.ArgumentTypeError: it is not such a duration, or not longer than zero.
    """
    terms = _DURATION_TERM.findall(text)
    duration_s = sum(float(number) * _UNIT_S[unit] for number, unit in terms)
    if "".join(number + unit for number, unit in terms) != text or duration_s <= 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration: allowed is one longer than 0, as in 90s or 1h30m"
        )
    return duration_s


def parse_pattern(text: str) -> re.Pattern[str]:
    """Read a regular expression, to be searched for anywhere in a namespace's name, as Flagger does.

    Raises:
        argparse.ArgumentTypeError: it is not a regular expression.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a regular expression: {error}") from error
