"""The lines of a log, key by key: people's scripts read them."""

import io
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from loadtester.__main__ import LINES
from service.log import DEFAULT_FORMAT, LineFormat, LineFormatter, LineHandler, configure_logging

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


def lines_of(handler: LineHandler, *messages: str) -> None:
    handler.setFormatter(LineFormatter(DEFAULT_FORMAT))
    for message in messages:
        handler.emit(logging.LogRecord("agent", logging.INFO, "main.py", 1, message, (), None))


def test_a_full_disk_costs_the_lines_of_that_time_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as full:
        lines_of(LineHandler(full), "first", "second")
    assert capsys.readouterr().err == "", "a traceback for each line"


def test_a_reader_that_is_gone_costs_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:  # noqa: PTH123  a descriptor has no path
        lines_of(LineHandler(pipe), "first", "second")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("message", ["short", "long " * 2_000])
def test_a_reader_that_stands_still_holds_up_nobody_and_is_told_how_much_it_missed(message: str) -> None:
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as read, open(writing, "w") as pipe:  # noqa: PTH123
        handler = LineHandler(pipe)
        lines_of(handler, *[message] * 3_000)
        taken = read.read(2**20)
        lines_of(handler, "here again")
        taken += read.read(2**20)
    *whole, lost, last = taken.decode().splitlines()
    cut = [text for text in whole if not text.endswith('"}')]
    assert len(cut) <= 1, "a line that was taken in part ends before the next one"
    assert orjson.loads(last)["msg"] == "here again"
    assert orjson.loads(lost)["msg"] == f"{3_000 - len(whole) + len(cut)} lines of the log were lost: nobody took them"
