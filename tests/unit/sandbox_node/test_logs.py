"""Reading and writing container logs."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.node.logs import LogQuery, LogWriter, read_log
from tests.support.eventually import eventually

NOW = datetime(2026, 1, 1, 0, 1, 0, tzinfo=UTC)
LINES = [f"2026-01-01T00:00:{second:02}.000000000Z line {second}\n".encode() for second in (10, 20, 30)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "line 10,line 20,line 30"),
        ({"tailLines": "1"}, "line 30"),
        ({"tailLines": "0"}, ""),
        ({"sinceSeconds": "40"}, "line 20,line 30"),
        ({"sinceTime": "2026-01-01T00:00:25Z"}, "line 30"),
        ({"timestamps": "true", "tailLines": "1"}, "2026-01-01T00:00:30.000000000Z line 30"),
    ],
)
def test_a_query_selects_lines(query: dict[str, str], expected: str) -> None:
    shown = b"".join(LogQuery.parse(query, NOW).select(LINES)).decode()
    assert ",".join(shown.splitlines()) == expected


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="many"):
        LogQuery.parse({"tailLines": "many"}, NOW)


async def read_all(path: Path, query: LogQuery, *, is_over: bool = True) -> str:
    return b"".join([piece async for piece in read_log(path, query, is_over=lambda: is_over)]).decode()


async def test_what_a_process_writes_is_read_back_by_lines(tmp_path: Path) -> None:
    path = tmp_path / "main" / "0.log"
    writer = LogWriter(path)
    for chunk in (b"first\nsec", b"ond\n", b"no newline"):
        os.write(writer.output, chunk)
        await asyncio.sleep(0)
    writer.close_output()
    await eventually(path.read_text, lambda text: "newline" in text)
    assert await read_all(path, LogQuery()) == "first\nsecond\nno newline\n"
    assert await read_all(path, LogQuery(limit_bytes=8)) == "first\nse"


async def test_a_followed_log_ends_with_its_container(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(LINES[:1]))
    answers = iter([False, True])
    seen = []
    async for piece in read_log(path, LogQuery(is_followed=True), is_over=lambda: next(answers)):
        seen.append(piece.decode())
        if len(seen) == 1:
            with path.open("ab") as file:
                file.write(LINES[1])
    assert seen == ["line 10\n", "line 20\n"]
