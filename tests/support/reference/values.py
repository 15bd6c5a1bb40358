"""The values of the charts, as their values.yaml describes them."""

import re
from collections.abc import Iterator
from typing import Final

import yaml

from tests.support.cluster import REPOSITORY
from tests.support.reference.page import code, page, section, sentence, table

_CHARTS: Final = REPOSITORY / "charts"
_LINE: Final = re.compile(r"(?P<indent> *)(?P<key>[\w]+):(?: (?P<value>.*))?$")
_INDENT: Final = 2

# Their keys are Kubernetes' own, so that each is one value.
_WHOLE: Final = ("resources", "labels")


def values_page() -> str:
    """Return the page of the values of both charts."""
    return page(
        "Values",
        "What `--set` and `-f` take. Keys that Flagger's charts have too are written as there; those of them that mean "
        "nothing here are listed behind, are never refused, and are named after the installation. A value of the wrong "
        "type is refused with its path. How to install: [Helm](../operating/helm.md).",
        *(
            part
            for chart, title in (("serin", "Serin"), ("loadtester", "The load tester"))
            for part in (
                section(f"{title}: `charts/{chart}`", table(("value", "default", "meaning"), _rows(chart))),
                section(f"{title}: keys of Flagger's without a meaning", table(("key", "why"), _ignored(chart))),
            )
        ),
    )


def _ignored(chart: str) -> Iterator[tuple[str, str]]:
    entries = yaml.safe_load((_CHARTS / chart / "files" / "ignored.yaml").read_text())
    return ((code(entry["key"]), sentence(entry["why"])) for entry in entries)


def _rows(chart: str) -> Iterator[tuple[str, str, str]]:
    """Read values line by line: a comment belongs to the key under it, and a section's own to those without one."""
    path: list[str] = []
    comments: list[str] = []
    of_sections: dict[int, str] = {}
    text = (_CHARTS / chart / "values.yaml").read_text()
    for line in text.partition("\n\n")[2].splitlines():
        if line.strip().startswith("#"):
            comments.append(line.strip().removeprefix("#").strip())
            continue
        match = _LINE.match(line)
        if match is None:
            comments = []
            continue
        depth, comment = len(match["indent"]) // _INDENT, " ".join(comments)
        path[depth:] = [match["key"]]
        comments = []
        if any(part in _WHOLE for part in path[:-1]):
            continue
        if match["value"] is None and match["key"] not in _WHOLE:
            of_sections[depth] = comment
            continue
        if not comment and depth:
            comment = of_sections.get(depth - 1, "")
        yield code(".".join(path)), code(_default(match["value"])), sentence(comment)


def _default(value: str | None) -> str:
    return "" if value in {None, '""', "[]", "{}"} else str(value)
