"""A good Canary to change in one place, and the example objects beside this file."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

GOOD_CANARY: dict[str, Any] = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "podinfo", "namespace": "test", "uid": "u-1", "generation": 3},
    "spec": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
        "autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "podinfo"},
        "service": {"port": 9898},
        "analysis": {
            "interval": "10s",
            "threshold": 5,
            "stepWeight": 5,
            "maxWeight": 50,
            "metrics": [
                {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
                {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "30s"},
            ],
            "webhooks": [
                {"name": "acceptance", "type": "pre-rollout", "url": "http://loadtester.test/", "timeout": "10s"},
                {"name": "load", "url": "http://loadtester.test/"},
            ],
        },
    },
}

CanaryWith = Callable[[Mapping[str, object]], dict[str, Any]]


@pytest.fixture
def canary_with() -> CanaryWith:
    """Return the good Canary with values put at paths such as `analysis/metrics/0/name` of its spec; `...` removes."""

    def change(changes: Mapping[str, object]) -> dict[str, Any]:
        obj = deepcopy(GOOD_CANARY)
        for path, value in changes.items():
            *holders, last = [int(part) if part.isdigit() else part for part in path.split("/")]
            holder: Any = obj["spec"]
            for part in holders:
                holder = holder[part] if isinstance(part, int) else holder.setdefault(part, {})
            if value is ...:
                del holder[last]
            elif last == len(holder):
                holder.append(value)
            else:
                holder[last] = value
        return obj

    return change


@pytest.fixture(params=sorted(path.stem for path in (Path(__file__).parent / "examples").iterdir()))
def example(request: pytest.FixtureRequest) -> dict[str, Any]:
    text = (Path(__file__).parent / "examples" / f"{request.param}.yaml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded
