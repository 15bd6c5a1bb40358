"""A validating webhook of somebody else, for tests: it lets no RouteTable send more than a quarter to a canary.

`python -m tests.support.denying_webhook CERTIFICATE KEY PORT` serves it on loopback over TLS.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tests.support.rewriting_webhook import serve

SAID = "no canary gets more than 25 before noon"
_MOST = 25


async def deny(request: web.Request) -> web.Response:
    """Answer a review of a RouteTable."""
    asked = orjson.loads(await request.read())["request"]
    is_allowed = all(weight <= _MOST for weight in _canary_weights(asked["object"]))
    response = {"uid": asked["uid"], "allowed": is_allowed}
    if not is_allowed:
        response["status"] = {"message": SAID}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    return web.Response(body=orjson.dumps(review), content_type="application/json")


def _canary_weights(table: dict[str, Any]) -> list[int]:
    destinations = [one for route in table["spec"]["routes"] for one in route["routeAction"]["multi"]["destinations"]]
    of_canary = [one for one in destinations if "-canaryupstream-" in one["destination"]["upstream"]["name"]]
    return [one.get("weight", 0) for one in of_canary]


if __name__ == "__main__":
    asyncio.run(serve(deny, Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
