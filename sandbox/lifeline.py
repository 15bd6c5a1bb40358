"""A lifeline: a cluster that is started on one ends when the last process that holds it has let go, or was killed.

It is a FIFO in the cluster's state directory. Who wants the cluster holds the FIFO open for writing; the cluster's
first process reads it, and the kernel gives it the end of the file when no writer is left, whatever became of them.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Keep the clusters alive that are started on this lifeline, as long as the block lasts and the process lives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.mkfifo(path)
    # For reading too: to open a FIFO for writing alone waits for its reader.
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(fd)


@contextmanager
def watched(path: Path, let_go: Callable[[], None]) -> Iterator[None]:
    """Call `let_go` once when nobody holds the lifeline any more, or when nobody does at the start."""
    loop, fd = asyncio.get_running_loop(), os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def look() -> None:
        with suppress(BlockingIOError):
            os.read(fd, 1)  # nobody writes, so what can be read is the end
            loop.remove_reader(fd)
            let_go()

    loop.add_reader(fd, look)
    try:
        look()
        yield
    finally:
        loop.remove_reader(fd)
        os.close(fd)
