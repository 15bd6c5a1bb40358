"""The sentences that people read of a look."""

import math

import pytest

from canary.judgement.finding import Answer, Finding, Rate


def finding(answer: Answer = Answer.HARM, **changed: object) -> Finding:
    fields = {
        "answer": answer,
        "canary": Rate(failures=20, requests=940),
        "primary": Rate(failures=34, requests=8_460),
        "limit": 0.01,
        "well_below": 0.02,
        "log_e_harm": math.log(5_400),
        "log_e_well": math.log(0.4),
        "harm_at": 100.0,
        "well_at": 20.0,
        "bar": 1.0,
        "phi": 1.0,
        "is_overdue": False,
    }
    return Finding(**(fields | changed))  # type: ignore[arg-type]


COUNTED = "canary fails 2.1 % of 940 requests, primary 0.4 % of 8,460"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (finding(), f"{COUNTED}: e-value 5,400, rolled back at 100"),
        (finding(Answer.UNDECIDED), f"{COUNTED}: e-value 5,400 of 100 for harm, 0.4 of 20 for well"),
        (finding(Answer.WELL, log_e_well=math.log(31.4)), f"{COUNTED}: e-value 31 against 2 %, well at 20"),
        (finding(Answer.COMMON_CAUSE), f"{COUNTED}: both are over 1 %, held for a common cause"),
        (finding(phi=9.04), f"{COUNTED}: e-value 5,400, rolled back at 100, 9 failures count as one"),
        (
            finding(primary=Rate(failures=0, requests=0), log_e_harm=9_999.0),
            "canary fails 2.1 % of 940 requests: e-value over 1,000,000, rolled back at 100",
        ),
        (
            finding(Answer.UNDECIDED, canary=Rate(failures=0, requests=0), log_e_harm=-9_999.0, log_e_well=0.0),
            "canary has no request, primary 0.4 % of 8,460: e-value under 0.01 of 100 for harm, 1 of 20 for well",
        ),
        (
            finding(Answer.UNDECIDED, log_e_harm=math.log(99.97), log_e_well=math.log(19.96)),
            f"{COUNTED}: e-value 99.9 of 100 for harm, 19.9 of 20 for well",
        ),
        (
            finding(canary=Rate(failures=94, requests=940, failing="is over 500 ms in")),
            "canary is over 500 ms in 10 % of 940 requests, primary 0.4 % of 8,460: e-value 5,400, rolled back at 100",
        ),
    ],
)
def test_the_text_has_the_numbers(found: Finding, text: str) -> None:
    assert found.text == text


@pytest.mark.parametrize(
    ("failures", "text"),
    [(0, "0 %"), (1, "0.001 %"), (99_999, "100 %"), (9_999, "10 %"), (2_000, "2 %"), (123, "0.12 %")],
)
def test_shares_have_two_digits(failures: float, text: str) -> None:
    assert f"canary fails {text} of 100,000 requests" in finding(canary=Rate(failures=failures, requests=100_000)).text


def test_the_largest_e_value_is_a_number() -> None:
    assert finding(log_e_harm=1e9, log_e_well=1e9).e_harm < math.inf
    assert finding(log_e_harm=-1e9).e_harm == 0
