"""What the pages of the reference are made of: Markdown's tables and blocks."""

from collections.abc import Iterable, Sequence

Row = Sequence[str]


def page(title: str, introduction: str, *parts: str) -> str:
    """Return a page, with the line that says who writes it."""
    note = "<!-- Written by `make reference`, from the code. Change that, not this page. -->"
    return "\n\n".join((f"# {title}", note, introduction, *(part for part in parts if part))) + "\n"


def section(title: str, *parts: str) -> str:
    """Return a section under a heading."""
    return "\n\n".join((f"## {title}", *(part for part in parts if part)))


def table(head: Row, rows: Iterable[Row]) -> str:
    """Return a table; a pipe within a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)
        .replace("| --- ", "|---")
        .replace("|--- |", "|---|")
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def code(text: str) -> str:
    """Return a text in backticks; nothing for nothing."""
    if "`" in text:
        return f"`` {text} ``"
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    """Return texts in backticks, with commas."""
    return ", ".join(map(code, texts))


def block(language: str, text: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def sentence(text: str) -> str:
    """Return a text that begins with a capital letter and ends with a full stop."""
    text = text.strip()
    is_word = text.split(" ")[0].rstrip(".").isalpha()
    return (
        (text[:1].upper() if is_word else text[:1])
        + text[1:]
        + ("" if text.endswith((".", "?", "!")) or not text else ".")
    )
