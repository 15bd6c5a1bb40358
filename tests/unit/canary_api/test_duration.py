import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from canary.api.duration import format_duration, parse_duration_s, window_in_gos_words
from canary.api.metrics import CanaryMetric


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        ("500ms", 0.5),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("10us", 1e-5),
        ("10µs", 1e-5),
        ("10μs", 1e-5),
        ("7ns", 7e-9),
        ("-1m", -60.0),
        ("+2s", 2.0),
        ("0", 0.0),
        ("1s1m", 61.0),
    ],
)
def test_reads_what_go_reads(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "5", "5x", "s", ".s", "1 m", "10second", "1d", "٣s", "1e3s", "--1s", "3000000h", "5s\n"]
)
def test_refuses_what_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration"):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "window", "seconds", "graphites"),
    [
        ("1min", "1m", 60.0, "60s"),
        ("5minutes", "5m", 300.0, "300s"),
        ("30sec", "30s", 30.0, "30s"),
        ("10seconds", "10s", 10.0, "10s"),
        ("1m", "1m", 60.0, "60s"),
        ("1m30s", "1m30s", 90.0, "90s"),
    ],
)
def test_a_window_may_have_graphites_words(text: str, window: str, seconds: float, graphites: str) -> None:
    metric = CanaryMetric.model_validate({"name": "own", "interval": text})
    assert (metric.interval_effective, metric.interval_s) == (window, seconds)
    assert (metric.interval_for("prometheus"), metric.interval_for("graphite")) == (window, graphites)
    assert metric.interval == text, "it is kept as written"


@pytest.mark.parametrize("text", ["1mon", "1months", "min", "1d", "1 min", "1min30", "1.5min", "-1min"])
def test_a_window_has_no_other_words(text: str) -> None:
    with pytest.raises(ValidationError, match="a duration such as 30s or 1m30s"):
        CanaryMetric.model_validate({"name": "own", "interval": text})
    assert window_in_gos_words(text) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (90, "1m30s"),
        (60, "1m0s"),
        (3600, "1h0m0s"),
        (3725.25, "1h2m5.25s"),
        (0.5, "500ms"),
        (0.0125, "12.5ms"),
        (1.05, "1.05s"),
        (0.0000021, "2.1µs"),
        (5e-9, "5ns"),
        (-1.5, "-1.5s"),
    ],
)
def test_prints_as_go_prints(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_what_is_printed_reads_back(nanoseconds: int) -> None:
    seconds = nanoseconds / 1e9
    assert parse_duration_s(format_duration(seconds)) == pytest.approx(seconds, abs=1e-9)


@given(st.text(alphabet="0123456789.hmsnuµ+- "))
def test_any_text_reads_or_raises_value_error(text: str) -> None:
    try:
        parse_duration_s(text)
    except ValueError:
        return
    assert any(character.isdigit() for character in text)


@pytest.mark.parametrize("text", ["9" * 50_000, "1s" * 50_000, f"0.{'1' * 100}s"], ids=len)
def test_a_text_longer_than_any_duration_is_none_and_takes_no_time(text: str) -> None:
    started_s = time.process_time()
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration_s(text)
    assert time.process_time() - started_s < 1
