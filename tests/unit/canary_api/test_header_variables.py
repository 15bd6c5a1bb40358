"""Which of Envoy's variables a header value may have. tests/contract/gloo asks Envoy itself."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.rules.header_variables import PLAIN_VARIABLES, find_fault
from tests.support.header_values import header_values

REFUSED = [
    *("%FOO%", "%REQ%", "%REQ()%", "%PROTOCOL(x)%", "%REQ(a?b?c)%", "%RESPONSE_CODE:0%", "%DYNAMIC_METADATA%"),
    *("%ENVIRONMENT%", "%CEL(1+)%", "%100%", "%TRAILER%", "%REQ(x y)%", "%ENVIRONMENT(PATH)%", "%CEL(request.path)%"),
    *("%FILE_CONTENT(/etc/passwd)%", "%SECRET(a)%", "100%", "%", "%%%", "%REQ(a)%%", "%req(a)%", "%REQ(a):x%"),
    *("%START_TIME(%n)%", "%START_TIME(%En)%", "%START_TIME()%", "%HOSTNAME", "%REQ(a%b)%", "%REQ(a):12345678901%"),
    *("%GRPC_STATUS(X)%", "%UPSTREAM_METADATA%", "%FILTER_STATE(a:FIELD:b)%", "%QUERY_PARAM(a)%", "%COALESCE(a)%"),
]
ACCEPTED = [
    *("", "a", "a%%b", "%%", "%PROTOCOL%", "%REQ(x-user)%", "%REQ(:PATH?X-PATH):10%", "%RESP(x)%%TRAILER(y):5%"),
    *("%START_TIME%", "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%", "%START_TIME(%s)%", "%DYNAMIC_METADATA(a.b/c:d:e):9%"),
    *('%UPSTREAM_METADATA(["a.b", "c"])%', "%CLUSTER_METADATA(a:b)%", "%FILTER_STATE(a.b:PLAIN):3%", "%HOSTNAME%"),
    *("%GRPC_STATUS(NUMBER)%", "%PER_REQUEST_STATE(a.b)%", "50%% of %REQ(a)%%REQ(b)% %%"),
]


@pytest.mark.parametrize("value", REFUSED)
def test_what_envoy_refuses_or_what_is_the_gateways_own_is_refused(value: str) -> None:
    assert find_fault(value) is not None


@pytest.mark.parametrize("value", ACCEPTED)
def test_what_envoy_documents_is_accepted(value: str) -> None:
    assert find_fault(value) is None


@pytest.mark.parametrize("name", PLAIN_VARIABLES)
def test_a_variable_without_arguments_takes_none(name: str) -> None:
    assert find_fault(f"%{name}%") is None
    assert find_fault(f"%{name}:5%") == 0
    assert find_fault(f"%{name}()%") == 0


def test_the_place_of_the_first_fault_is_told() -> None:
    assert find_fault("ab%%%REQ(x)%c%FOO%") == 13


@given(st.text("ab%:() ?", max_size=20), header_values(), st.text("ab%", max_size=5))
def test_a_value_is_accepted_if_its_percent_signs_are_each_a_part_of_a_variable(
    before: str, value: str, after: str
) -> None:
    assert find_fault(value) is None
    assert find_fault(value + value) is None
    if "%" not in before + after:
        assert find_fault(before + value + after) is None
    assert find_fault(value + "%") is not None


@given(st.text(max_size=200))
def test_any_text_has_an_answer(value: str) -> None:
    place = find_fault(value)
    assert place is None or value[place] == "%"
    assert ("%" in value) or place is None


@pytest.mark.parametrize("piece", ["%A(", "%REQ(", "%START_TIME(%a", "%DYNAMIC_METADATA(a:", "%%", "%REQ(a)%", "%(((("])
def test_no_value_takes_long(piece: str) -> None:
    started_s = time.process_time()
    find_fault(piece * (65_536 // len(piece)))
    find_fault("%REQ(" + "a" * 65_000)
    assert time.process_time() - started_s < 0.5
