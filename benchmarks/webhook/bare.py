"""`python -m benchmarks.webhook.bare PORT CERTIFICATE KEY`: two admission webhooks that know nothing.

`/empty` allows, `/constant` allows with a patch that is as long as a mark and always the same. They run on the same
loop and the same kind of server as ours: what an apply costs with them is the limit for what it can cost with ours.
"""

import base64
import sys
from typing import Any, Final

import orjson
from aiohttp import web

from benchmarks.webhook.tls_server import run

ANNOTATION: Final = "bench.serin.dev/constant"

_PATCH: Final = [
    {"op": "add", "path": f"/metadata/annotations/{ANNOTATION.replace('/', '~1')}{number}", "value": "c" * 32}
    for number in range(3)
]
_PATCHED: Final = {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(_PATCH)).decode()}
_ANSWERS: Final[dict[str, dict[str, Any]]] = {"/empty": {}, "/constant": _PATCHED}


async def _answer(request: web.BaseRequest) -> web.Response:
    review = orjson.loads(await request.read())
    response = {"uid": review["request"]["uid"], "allowed": True} | _ANSWERS[request.path]
    body = orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
    return web.Response(body=body, content_type="application/json")


if __name__ == "__main__":
    run(_answer, *sys.argv[1:], is_told=True, keepalive_timeout=300)
