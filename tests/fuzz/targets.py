"""What is fuzzed, by name. Each `check` takes an input and returns the seconds that it took."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.fuzz import answers, reviews, stored

TARGETS: Final[Mapping[str, Callable[[bytes], float]]] = {
    "reviews": reviews.check,
    "stored": stored.check,
    "answers": answers.check,
}
