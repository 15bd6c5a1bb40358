"""A mutating webhook of somebody else, for tests: it puts a mirror's name in front of images, after ours has run.

`python -m tests.support.rewriting_webhook CERTIFICATE KEY PORT` serves it on loopback over TLS.
"""

import asyncio
import base64
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

MIRROR = "mirror.example.com/"
_IMAGE = "/spec/template/spec/containers/0/image"


async def rewrite(request: web.Request) -> web.Response:
    """Answer a review of a workload."""
    asked = orjson.loads(await request.read())["request"]
    image = asked["object"]["spec"]["template"]["spec"]["containers"][0]["image"]
    response = {"uid": asked["uid"], "allowed": True}
    if not image.startswith(MIRROR):
        patch = [{"op": "replace", "path": _IMAGE, "value": f"{MIRROR}{image}"}]
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(orjson.dumps(patch)).decode()}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    return web.Response(body=orjson.dumps(review), content_type="application/json")


def configuration(
    kind: str, name: str, namespace: str, bundle: bytes, port: int, rule: dict[str, Any]
) -> dict[str, Any]:
    """Return the configuration of a webhook on loopback that is asked about one namespace, and must answer.

    `kind` is Mutating or Validating, `bundle` the PEM of who signed its certificate.
    """
    webhook = {
        "name": f"{kind.lower()}.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": base64.b64encode(bundle).decode()},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }


async def serve(
    review: Callable[[web.Request], Awaitable[web.Response]], certificate: Path, key: Path, port: int
) -> None:
    """Serve a webhook until the process is ended; it says `serving` when it does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.add_routes([web.post("/", review)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    print("serving", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(rewrite, Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
