"""Runs for `serin status`, at one moment."""

import time
from typing import Any

import pytest

from tests.unit.cli.cluster_api import ClusterApi
from tests.unit.cli.cluster_objects import NEW_IMAGE, canary, deployment

NOW_S = 1_780_000_000.0
TIMES = {"startedAt": "2026-11-30T13:00:00Z", "endedAt": "2026-11-30T13:10:00Z"}


def stop_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command's clock stand at NOW_S."""
    monkeypatch.setattr(time, "time", lambda: NOW_S)


def moment(after_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW_S + after_s))


def run_of(api: ClusterApi, image: str = NEW_IMAGE, **status: Any) -> None:
    api.put("canaries", canary(**{"lastTransitionTime": moment(-600), **status}))
    api.put("deployments", deployment("podinfo", image))
