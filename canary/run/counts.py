"""Numbers of `.status`: those that can be counted on and written again."""

import math
from typing import Any, Final

# Any reader of JSON has these exactly, and a few more on top of them.
MOST_COUNT: Final = 2**53


def read_count(found: Any) -> int:
    """Read a whole number.

    Raises:
        OverflowError, TypeError, ValueError: it is something else, or larger than any that was ever written.
    """
    number = int(found)
    if abs(number) > MOST_COUNT:
        raise OverflowError(f"found a number of {len(str(number))} digits; allowed: up to 2^53")
    return number


def read_amount(found: Any) -> float:
    """Read a number.

    Raises:
        OverflowError, TypeError, ValueError: it is something else, or none that JSON has.
    """
    number = float(found)
    if not math.isfinite(number):
        raise ValueError(f"found {number}; allowed: finite numbers")
    return number
