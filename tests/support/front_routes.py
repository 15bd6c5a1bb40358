"""Canaries of every strategy, and the routes of ours in their tables."""

import json
from functools import cache
from typing import Any

from canary.api.canary import Canary
from render.route_place import FRONT_ROUTES
from tests.support.podinfo import podinfo_canary

Json = dict[str, Any]

AFFINITY = {"cookieName": "c", "maxAge": 60}
STRATEGIES: dict[str, Json] = {
    "weights": {"stepWeight": 10, "maxWeight": 50},
    "sticky": {"stepWeight": 10, "maxWeight": 50, "sessionAffinity": AFFINITY},
    "both sticky": {"stepWeight": 10, "maxWeight": 50, "sessionAffinity": AFFINITY | {"primaryCookieName": "p"}},
    "blue/green": {"iterations": 3, "mirror": True},
    "A/B": {"iterations": 3, "match": [{"headers": {"x-a": {"exact": "1"}}}, {"uri": {"prefix": "/v2"}}]},
    "weights by match": {"stepWeight": 10, "match": [{"headers": {"x-a": {"exact": "1"}}}]},
    "A/B by header": {"iterations": 3, "match": [{"headers": {"x-a": {"exact": "2"}}}]},
}
SERVICES: list[Json] = [
    {},
    {"timeout": "5s"},
    {"timeout": "9s", "retries": {"attempts": 2}},
    {"rewrite": {"uri": "/x"}},
]


def canary(strategy: str, service: Json | None = None) -> Canary:
    return _parsed(strategy, json.dumps(service or {}))


@cache
def _parsed(strategy: str, service: str) -> Canary:
    analysis = {"interval": "10s", "threshold": 5} | STRATEGIES[strategy]
    return podinfo_canary(analysis=analysis, service=json.loads(service))


def ours(table: Json) -> list[Json]:
    """Our routes, in order."""
    return [route for route in table["spec"]["routes"] if is_ours(route)]


def is_ours(route: Json) -> bool:
    destinations = route.get("routeAction", {}).get("multi", {}).get("destinations", [])
    names = [destination["destination"].get("upstream", {}).get("name", "") for destination in destinations]
    return any(name.startswith("test-podinfo-canaryupstream-") for name in names)


def main_of(table: Json) -> Json:
    (main,) = (route for route in ours(table) if route.get("name") not in FRONT_ROUTES)
    return main


def names_of(table: Json) -> list[str]:
    return [route.get("name", "main") for route in ours(table)]
