"""See that the agent is ready and that the webhook answers, at AGENT and WEBHOOK; an empty address is skipped.

What is not there yet is asked again for PATIENCE_S seconds. The webhook's certificate is not verified: its authority is
known to the API server alone.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request

REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "helm-test",
        "operation": "CREATE",
        "namespace": "helm-test",
        "name": "helm-test",
        "kind": {"group": "flagger.app", "version": "v1beta1", "kind": "Canary"},
        "resource": {"group": "flagger.app", "version": "v1beta1", "resource": "canaries"},
        "userInfo": {"username": "helm-test"},
        "dryRun": True,
        "object": {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "metadata": {"name": "helm-test", "namespace": "helm-test"},
            "spec": {},
        },
    },
}


def agent(address: str) -> str:
    """Return what the agent says of itself."""
    with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
        return str(answer.read().decode())


def webhook(address: str) -> str:
    """Return what the webhook says about a Canary that has nothing in it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    asked = urllib.request.Request(
        f"{address}/validate/canaries", data=json.dumps(REVIEW).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=5, context=context) as answer:
        response = json.load(answer)["response"]
    if response["uid"] != "helm-test":
        raise ValueError(f"an answer to another review: {response}")
    return "it refuses an empty Canary" if not response["allowed"] else "it allows an empty Canary"


def ask(name: str, question: object, address: str) -> bool:
    """Ask until there is an answer; print it, or why there is none."""
    ends_at_s = time.monotonic() + float(os.environ.get("PATIENCE_S", "120"))
    while True:
        try:
            print(f"{name}: {question(address)}", flush=True)  # type: ignore[operator]
        except (OSError, ValueError, KeyError) as error:
            said = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
            if time.monotonic() > ends_at_s:
                print(f"{name} at {address} does not answer as it should: {error} {said}", flush=True)
                return False
            time.sleep(1)
        else:
            return True


answered = [
    ask(name, question, address)
    for name, question, address in (
        ("agent", agent, os.environ.get("AGENT", "")),
        ("webhook", webhook, os.environ.get("WEBHOOK", "")),
    )
    if address
]
sys.exit(0 if answered and all(answered) else 1)
