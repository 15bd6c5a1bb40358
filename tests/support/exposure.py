"""How a RouteTable sends requests to the canary side, in a few words."""

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]


def exposure(table: Object) -> str:
    """Return what reaches the canary side: `25`, `25 sticky`, `0 matched 100`, `0 mirrored 20`.

    The first number is the percentage of everybody's requests. `matched`: of those that an A/B test chooses;
    `mirrored`: of those that are copied; `sticky`: who has its cookie stays on the canary side; `forgetting`: who has
    it is sent to the primary, and told to drop it.
    """
    *fronts, main = table["spec"]["routes"]
    return " ".join([str(_weight(main)), *_mirrored(main), *(word for front in fronts for word in _words(front))])


def exposed_percent(shown: str) -> int:
    """Return the weight of an exposure: everybody's, or that of the requests which an A/B test chooses."""
    everybody, *words = shown.split()
    return int(words[1]) if "matched" in words else int(everybody)


def mirrored_percent(shown: str) -> int:
    """Return how much of the requests is copied."""
    words = shown.split()
    return int(words[-1]) if "mirrored" in words else 0


def is_harmless(shown: str) -> bool:
    """Does nothing at all reach the canary side?"""
    return shown in {"0", "0 matched 0", "0 forgetting"}


def _words(front: Object) -> Iterator[str]:
    weight = _weight(front)
    if front["name"].startswith("serin-match"):
        yield f"matched {weight}"
    elif front["name"] == "serin-affinity":
        yield "sticky" if weight == 100 else f"forgetting{weight or ''}"
    else:
        yield f"{front['name']} {weight}"


def _mirrored(main: Object) -> Iterator[str]:
    shadowing = (main.get("options") or {}).get("shadowing")
    if shadowing is not None:
        assert "canaryupstream" in shadowing["upstream"]["name"], shadowing
        yield f"mirrored {int(shadowing['percentage'])}"


def _weight(route: Object) -> int:
    """Return the canary side's weight in percent, and see that the two make a whole.

    That is a multiple of 100 where the same split is written in other numbers, so that Gloo acknowledges it.
    """
    sides = {
        "canary" if "canaryupstream" in one["destination"]["upstream"]["name"] else "primary": int(one.get("weight", 0))
        for one in route["routeAction"]["multi"]["destinations"]
    }
    assert set(sides) == {"canary", "primary"}, route
    whole = sum(sides.values())
    assert whole in range(100, 1000, 100), route
    return 100 * sides["canary"] // whole
