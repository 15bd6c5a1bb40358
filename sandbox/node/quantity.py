"""Kubernetes quantities: `100m`, `64Mi`, `1e3`."""

from decimal import Decimal, InvalidOperation

_FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip


def parse_quantity(text: str) -> Decimal:
    """Return the number that `text` stands for; raises ValueError."""
    for suffix in (text[-2:], text[-1:]):
        if suffix in _FACTORS:
            return _number(text.removesuffix(suffix), text) * _FACTORS[suffix]
    return _number(text, text)


def _number(digits: str, text: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no quantity (like 100m, 64Mi or 2)") from error
