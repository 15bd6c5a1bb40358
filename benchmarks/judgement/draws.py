"""Numbers of requests by chance, exactly distributed, for Python 3.11, which has no `binomialvariate` yet."""

import math
from random import Random
from typing import Final

_FEW: Final = 12


def poisson(chance: Random, mean: float) -> int:
    """Return arrivals. Source: Ahrens and Dieter (1974): the m-th one comes after a gamma-distributed time."""
    count = 0
    while mean > _FEW:
        whole = math.floor(mean * 7 / 8)
        reached = chance.gammavariate(whole, 1.0)
        if reached > mean:
            return count + binomial(chance, whole - 1, mean / reached)
        count, mean = count + whole, mean - reached
    limit, product = math.exp(-mean), chance.random()
    while product > limit:
        count, product = count + 1, product * chance.random()
    return count


def binomial(chance: Random, number: int, share: float) -> int:
    """Return how many of `number` happen. Source: Devroye (1986), X.4.3: the middle one of them is beta-distributed."""
    count = 0
    while number * share > _FEW and number * (1 - share) > _FEW:
        middle = (number + 1) // 2
        at = chance.betavariate(middle, number + 1 - middle)
        if at <= share:
            count, number, share = count + middle, number - middle, (share - at) / (1 - at)
        else:
            number, share = middle - 1, share / at
    if share > 1 / 2:
        return count + number - _rare(chance, number, 1 - share)
    return count + _rare(chance, number, share)


def _rare(chance: Random, number: int, share: float) -> int:
    """Leap from one that happens to the next: the gaps are geometric."""
    if share <= 0 or number <= 0:
        return 0
    scale, count, at = math.log1p(-share), 0, 0
    while True:
        at += 1 + math.floor(math.log(1 - chance.random()) / scale)
        if at > number:
            return count
        count += 1


def geometric(chance: Random, mean: float) -> int:
    """Return a size of 1 or more."""
    if mean <= 1:
        return 1
    return 1 + math.floor(math.log(1 - chance.random()) / math.log1p(-1 / mean))
