"""Quantities of the API: `1500m`, `2Ki`, `1e3`."""

import re
from typing import Final

_SUFFIXES: Final = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}
_FORM: Final = re.compile(r"([+-]?(?:\d{1,64}\.?\d{0,64}|\.\d{1,64})(?:[eE][+-]?\d{1,3})?)(n|u|m|k|[KMGTPE]i|[MGTPE])?")


def parse_quantity(text: str) -> float:
    """Return the number that a quantity is, as near as a float can be.

    Raises:
        ValueError: it is none.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"found {text[:80]!r}; allowed: a quantity such as 1500m or 2Ki")
    return float(found[1]) * _SUFFIXES[found[2] or ""]
