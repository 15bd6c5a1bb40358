"""Every bound on what comes from outside, from the file that has them all."""

import re
from collections.abc import Iterator
from typing import Final

from canary.api import bounds
from tests.support.cluster import REPOSITORY
from tests.support.reference.page import page, section, sentence, table
from tests.support.reference.source import docs_of_names, first_paragraph

_SUBJECT: Final = re.compile(r"^# ---- (.*)$")
_NAME: Final = re.compile(r"^((?:MOST|LEAST|FEWEST)_\w+): Final")
_UNITS: Final = {"_CHARS": "characters", "_BYTES": "bytes", "_S": "seconds"}


def bounds_page() -> str:
    """Return the page of the bounds."""
    return page(
        "Bounds",
        "What is too large is refused as it is applied ([admission](../concepts/admission.md)); nobody means "
        "such values, and reading them would delay others. All have one place: `canary/api/bounds.py`.",
        *(section(subject, table(("what", "bound", "of what, and why"), rows)) for subject, rows in _subjects()),
    )


def _subjects() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    docs = docs_of_names("canary/api/bounds.py")
    subject, rows = "", list[tuple[str, str, str]]()
    for line in (REPOSITORY / "canary" / "api" / "bounds.py").read_text().splitlines():
        if found := _SUBJECT.match(line):
            if rows:
                yield subject, rows
            subject, rows = found[1], []
        elif found := _NAME.match(line):
            rows.append((_in_words(found[1]), _with_unit(found[1]), sentence(first_paragraph(docs.get(found[1], "")))))
    yield subject, rows


def _in_words(name: str) -> str:
    """Return what a bound is of: its name without its kind and its unit."""
    for suffix in _UNITS:
        name = name.removesuffix(suffix)
    return name.partition("_")[2].replace("_", " ").lower()


def _with_unit(name: str) -> str:
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
    kind = "at least" if name.startswith("LEAST_") else "at most"
    return f"{kind} {getattr(bounds, name):,} {unit}".rstrip()
