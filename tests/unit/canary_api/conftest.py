"""A good Canary to change in one place, and the example objects beside this file."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.rule_cases import CanaryWith, good_canary_with


@pytest.fixture
def canary_with() -> CanaryWith:
    """Return the good Canary with values put at paths such as `analysis/metrics/0/name` of its spec; `...` removes."""
    return good_canary_with


@pytest.fixture(params=sorted(path.stem for path in (Path(__file__).parent / "examples").iterdir()))
def example(request: pytest.FixtureRequest) -> dict[str, Any]:
    text = (Path(__file__).parent / "examples" / f"{request.param}.yaml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded
