"""What is said of a panel's answers."""

import math

from sandbox.demo.dashboard import Query
from sandbox.demo.dashboard_answers import Answer
from sandbox.demo.grafana import describe, has_data


def _answer(*values: float) -> Answer:
    query = Query("Weight", "A", "x", is_instant=False, repeat="")
    return Answer(query, "x", (({}, values),) if values else ())


def test_a_panel_has_data_when_each_of_its_queries_has() -> None:
    assert has_data((_answer(1.0, 2.0), _answer(0.0)))
    assert not has_data((_answer(1.0), _answer()))
    assert not has_data((_answer(math.nan),))


def test_a_panel_is_described_by_its_queries_series_and_values() -> None:
    assert describe((_answer(1.0, math.nan, 2.0), _answer())) == "1 of 2 queries have data: 1 series, 2 values"
