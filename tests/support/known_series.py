"""The series of our programs with their labels, by the page that is made from the programs themselves."""

import re

from tests.support.cluster import REPOSITORY

_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
_OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")
# What Prometheus adds to whatever it scrapes.
_ADDED = {"instance"}


def known_series() -> dict[str, set[str]]:
    """Return each name that a query may have, with its labels; a histogram has three."""
    found: dict[str, set[str]] = {}
    for name, kind, labels in _ROW.findall((REPOSITORY / "docs" / "reference" / "series.md").read_text()):
        for suffix in _OF_A_HISTOGRAM if kind == "histogram" else ("",):
            of_bucket = {"le"} if suffix == "_bucket" else set()
            found[f"{name}{suffix}"] = set(re.findall(r"\w+", labels)) | of_bucket | _ADDED
    return found
