"""The load tester's gates of the canary `app`, opened and closed as people do it."""

import json
from datetime import datetime
from typing import Any

from tests.support.rollout import Rollouts


class Gates:
    """The load tester in a namespace, and its gates of the canary `app`."""

    def __init__(self, rollouts: Rollouts) -> None:
        self._rollouts = rollouts
        kubectl = rollouts.cluster.kubectl
        kubectl("-n", rollouts.namespace, "apply", "-k", "manifests/loadtester")
        kubectl("-n", rollouts.namespace, "rollout", "status", "deployment/flagger-loadtester", "--timeout=60s")

    def hook(self, kind: str, family: str = "") -> dict[str, Any]:
        """Return a webhook of a type; it asks the gate made for that, or that of `family`. Both are shut at first."""
        family = family or ("rollback" if kind == "rollback" else "gate")
        return {"name": kind, "type": kind, "url": self._url(f"{family}/check")}

    def post(self, path: str) -> None:
        """Post what a person would, with the canary's names."""
        body = json.dumps({"name": "app", "namespace": self._rollouts.namespace})
        self._rollouts.cluster.run("curl", "-sf", "-d", body, self._url(path))

    def checks(self, family: str) -> list[tuple[float, bool]]:
        """Return every check of the gate (`gate` or `rollback`): when (in seconds since the epoch), and was it open?"""
        kubectl = ("-n", self._rollouts.namespace, "logs", "deployment/flagger-loadtester")
        entries = (json.loads(line) for line in self._rollouts.cluster.kubectl(*kubectl).splitlines())
        said = {f"{family} check: open": True, f"{family} check: closed": False}
        return [
            (datetime.fromisoformat(entry["ts"]).timestamp(), said[entry["msg"]])
            for entry in entries
            if entry["msg"] in said
        ]

    def _url(self, path: str) -> str:
        return f"http://flagger-loadtester.{self._rollouts.namespace}/{path}"
