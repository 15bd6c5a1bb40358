"""What changes while it is looked at: drawn anew in a terminal, else printed line by line."""

import sys
from collections.abc import AsyncIterable, Sequence

from cli.terminal import Line, is_coloured, plain, styled


async def draw(frames: AsyncIterable[Sequence[Line]]) -> None:
    """Draw each frame over the one before; the last stays."""
    from rich.console import Console  # noqa: PLC0415  only who watches waits for it
    from rich.live import Live  # noqa: PLC0415  as above
    from rich.text import Text  # noqa: PLC0415  as above

    console = Console(highlight=False, markup=False, emoji=False, no_color=not is_coloured())
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        async for frame in frames:
            live.update(Text("\n").join(map(styled, frame)), refresh=True)


async def print_new(frames: AsyncIterable[Sequence[Line]]) -> None:
    """Print each line that the frame before did not have."""
    before: set[str] = set()
    async for frame in frames:
        now = [plain(line) for line in frame]
        sys.stdout.write("".join(f"{line}\n" for line in now if line not in before))
        sys.stdout.flush()
        before = set(now)
