"""Container logs: each line with its time in front in a file, and reading them back as `kubectl logs` wants."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path

from sandbox.node.clock import now_nano_text

_CHUNK_BYTES = 64 * 1024
_LONGEST_FILE_BYTES = 10 * 1024 * 1024
_FOLLOW_EVERY_S = 0.2


class LogWriter:
    """A pipe whose lines end up in the file at `path`; closed when the last writer has closed its end."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._rest = b""
        self._pipe, self.output = os.pipe()
        os.set_blocking(self._pipe, False)
        asyncio.get_running_loop().add_reader(self._pipe, self._read)

    def close_output(self) -> None:
        """Close our copy of the writers' end, once the process has its own."""
        os.close(self.output)

    def _read(self) -> None:
        chunk = os.read(self._pipe, _CHUNK_BYTES)
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._pipe)
            os.close(self._pipe)
            if self._rest:
                self._write([self._rest])
            self._file.close()
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) >= _CHUNK_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        if lines:
            self._write(lines)

    def _write(self, lines: list[bytes]) -> None:
        stamp = now_nano_text().encode() + b" "
        self._file.write(b"".join(stamp + line + b"\n" for line in lines))
        if self._file.tell() > _LONGEST_FILE_BYTES:
            self._path.replace(self._path.with_suffix(".log.old"))
            self._file.close()
            self._file = self._path.open("ab", buffering=0)


@dataclass(frozen=True)
class LogQuery:
    """The parameters of `kubectl logs`; None means no limit."""

    is_followed: bool = False
    has_timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None

    @classmethod
    def parse(cls, query: dict[str, str], now: datetime) -> "LogQuery":
        """Parse the query of a request for logs. Raises ValueError for a number or time that is none."""
        since = datetime.fromisoformat(query["sinceTime"]) if query.get("sinceTime") else None
        if query.get("sinceSeconds"):
            since = now - timedelta(seconds=int(query["sinceSeconds"]))
        return cls(
            is_followed=query.get("follow") == "true",
            has_timestamps=query.get("timestamps") == "true",
            tail_lines=int(query["tailLines"]) if query.get("tailLines") else None,
            since=since,
            limit_bytes=int(query["limitBytes"]) if query.get("limitBytes") else None,
        )

    def select(self, lines: list[bytes]) -> list[bytes]:
        """Return the wanted ones of stored `lines`, in the form to show."""
        if self.since is not None:
            border = self.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()
            lines = [line for line in lines if line[: len(border)] >= border]
        if self.tail_lines is not None:
            lines = lines[-self.tail_lines :] if self.tail_lines else []
        return lines if self.has_timestamps else [line.partition(b" ")[2] for line in lines]


async def read_log(path: Path, query: LogQuery, *, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the log in pieces; a followed one ends when `is_over` and everything was read."""
    left_bytes = query.limit_bytes
    selection = query
    stream = path.open("rb")
    try:
        while True:
            ended = is_over()
            text = b"".join(selection.select(stream.readlines()))[:left_bytes]
            if text:
                yield text
            if left_bytes is not None:
                left_bytes -= len(text)
            if not query.is_followed or ended or left_bytes == 0:
                return
            selection = LogQuery(has_timestamps=query.has_timestamps)
            await asyncio.sleep(_FOLLOW_EVERY_S)
            stream = _reopen_if_rotated(stream, path)
    finally:
        stream.close()


def _reopen_if_rotated(stream: BufferedReader, path: Path) -> BufferedReader:
    """Go on with the new file once the old one is read; the files of a pod that is gone are deleted."""
    if not path.exists() or path.stat().st_ino == os.fstat(stream.fileno()).st_ino or stream.peek(1):
        return stream
    stream.close()
    return path.open("rb")
