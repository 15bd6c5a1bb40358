"""The two paces, made from the example that is shipped."""

from pathlib import Path
from typing import Any

import yaml

from sandbox.demo.pace import pace_of, quickened, with_not_found_check

EXAMPLE = Path(__file__).parents[3] / "manifests" / "examples" / "podinfo-canary.yaml"


def _example() -> dict[str, Any]:
    canary: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return canary


def test_the_guides_own_pace() -> None:
    pace = pace_of(_example())
    assert pace.interval_s == 10
    assert pace.weights_percent == (5, 10, 15, 20, 25, 30, 35, 40, 45, 50)
    assert pace.threshold == 5


def test_the_quick_pace_has_shorter_intervals_and_fewer_steps() -> None:
    pace = pace_of(quickened(_example())[0])
    assert pace.interval_s == 2
    assert pace.weights_percent == (10, 20, 30, 40, 50)


def test_an_interval_in_minutes_is_read() -> None:
    canary = _example()
    canary["spec"]["analysis"]["interval"] = "1m"
    assert pace_of(canary).interval_s == 60


def test_only_what_is_told_is_changed() -> None:
    quick, told = quickened(_example())
    assert told == [
        "interval 10s → 2s",
        "stepWeight 5 → 10",
        "request-success-rate: interval 1m → 10s",
        "request-duration: interval 30s → 10s",
    ]
    for holder, original in zip(
        [quick["spec"]["analysis"], *quick["spec"]["analysis"]["metrics"]],
        [_example()["spec"]["analysis"], *_example()["spec"]["analysis"]["metrics"]],
        strict=True,
    ):
        holder["interval"] = original["interval"]
    quick["spec"]["analysis"]["stepWeight"] = 5
    assert quick == _example()


def test_the_guides_custom_metric_comes_behind_its_others() -> None:
    edited = with_not_found_check(_example())
    added = edited["spec"]["analysis"]["metrics"].pop()
    assert added == {
        "name": "404s percentage",
        "templateRef": {"name": "not-found-percentage"},
        "thresholdRange": {"max": 5},
        "interval": "1m",
    }
    assert edited == _example()
