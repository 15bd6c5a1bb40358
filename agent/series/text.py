r"""Prometheus' text format 0.0.4, for series that are rendered from state at each scrape.

`aioprometheus` formats the others: it keeps a value for each series, and writes those of 1,000 canaries in 0.4 s at a
stretch.
"""

import math
from typing import Final, Literal, NamedTuple

from aioprometheus.histogram import Histogram

_BEGINNING: Final = "# HELP {} {}\n# TYPE {} {}\n"


class Family(NamedTuple):
    """All series of one name. `meaning` is one line, as Prometheus shows it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str

    def beginning(self) -> str:
        """Return the two lines that stand before its series."""
        return _BEGINNING.format(self.name, self.meaning, self.name, self.kind)

    def line(self, labels: str, value: float) -> str:
        """Return the line of one series."""
        return f"{self.name}{{{labels}}} {number(value)}\n"

    def histogram(self, labels: str, values: Histogram) -> str:
        """Return the lines of one histogram."""
        buckets = "".join(
            f'{self.name}_bucket{{{labels},le="{number(bound)}"}} {count}\n' for bound, count in values.buckets.items()
        )
        return (
            f"{buckets}{self.name}_sum{{{labels}}} {number(values.sum)}\n"
            f"{self.name}_count{{{labels}}} {values.observations}\n"
        )


def label(name: str, value: str) -> str:
    """Return a label with its value, which may be a tenant's."""
    return f'{name}="{escaped(value)}"'


def escaped(value: str) -> str:
    r"""Return a label's value with backslashes, quotes and line ends escaped.

    Names come from the objects of tenants: unescaped, one writes another's series, or makes Prometheus drop the page.
    Source: Prometheus' text format 0.0.4, whose only escapes these are.
    """
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", " ")


def number(value: float) -> str:
    """Return a value or a bucket's bound."""
    if type(value) is int:
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    whole = int(value)
    return str(whole) if whole == value else repr(value)
