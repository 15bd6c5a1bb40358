"""The lines of a log, key by key: people's scripts read them."""

import io
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
import pytest

from loadtester.__main__ import LINES
from service.log import DEFAULT_FORMAT, LineFormat, LineFormatter, configure_logging

AT_S = datetime(2026, 11, 30, 5, 42, 7, 89_900, UTC).timestamp()


@dataclass(frozen=True)
class Named:
    """What is given as an extra may be an object: it is written as its text."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}.test"


def line(
    line_format: LineFormat,
    message: str = "leading as %s",
    *args: object,
    error: Exception | None = None,
    **extra: object,
) -> str:
    exc_info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("agent.main", logging.WARNING, "main.py", 12, message, args, exc_info)
    record.created = AT_S
    vars(record).update(extra)
    return LineFormatter(line_format).format(record)


def test_a_line_of_the_agent_and_the_webhook() -> None:
    assert line(DEFAULT_FORMAT, "leading as %s", "a") == (
        '{"level":"warning","ts":"2026-11-30T05:42:07.089Z","caller":"agent.main:12","msg":"leading as a"}'
    )


def test_a_line_of_the_load_tester() -> None:
    assert line(LINES, "gate %s", "opened", canary=Named("podinfo")) == (
        '{"level": "warning", "ts": "2026-11-30T05:42:07.089+00:00", "msg": "gate opened", "canary": "podinfo.test"}'
    )


@pytest.mark.parametrize(
    ("line_format", "keys"),
    [
        (DEFAULT_FORMAT, ["level", "ts", "caller", "msg", "canary", "error"]),
        (LINES, ["level", "ts", "msg", "canary", "stacktrace"]),
    ],
)
def test_the_keys_of_a_line_with_an_error_stand_in_this_order(line_format: LineFormat, keys: list[str]) -> None:
    with pytest.raises(ValueError, match="bad") as caught:
        raise ValueError("bad")
    written = orjson.loads(line(line_format, "failed", error=caught.value, canary="podinfo.test"))
    assert list(written) == keys
    assert written[keys[-1]].startswith("Traceback (most recent call last):\n")
    assert written[keys[-1]].endswith("\nValueError: bad")


def test_an_empty_extra_is_left_out_and_an_empty_message_is_not() -> None:
    assert list(orjson.loads(line(DEFAULT_FORMAT, "", canary=""))) == ["level", "ts", "caller", "msg"]


def test_a_number_stays_a_number() -> None:
    assert orjson.loads(line(LINES, "listens", port=0))["port"] == 0


def test_the_agent_writes_characters_as_they_are_and_the_load_tester_escapes_them() -> None:
    assert '"msg":"größer …"' in line(DEFAULT_FORMAT, "größer …")
    assert r'"msg": "gr\u00f6\u00dfer \ud800"' in line(LINES, "größer \ud800")


@pytest.fixture
def restored() -> Iterator[None]:
    """Give the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
@pytest.mark.usefixtures("restored")
def test_lines_below_the_level_are_not_written(level: str, written: list[str]) -> None:
    stream = io.StringIO()
    configure_logging(level, stream=stream)
    log = logging.getLogger("agent")
    calls: list[Callable[[str], None]] = [log.debug, log.info, log.warning, log.error]
    for call in calls:
        call("x")
    assert [orjson.loads(text)["level"] for text in stream.getvalue().splitlines()] == written


@pytest.mark.usefixtures("restored")
def test_without_a_stream_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    logging.getLogger("agent").info("here")
    captured = capsys.readouterr()
    assert (orjson.loads(captured.out)["msg"], captured.err) == ("here", "")


@pytest.mark.parametrize("level", ["loud", "", "INFO", "warn"])
def test_another_level_is_refused_with_the_known_ones(level: str) -> None:
    with pytest.raises(ValueError, match=f"^--log-level: found '{level}'; allowed: debug, info, warning, error$"):
        configure_logging(level)
