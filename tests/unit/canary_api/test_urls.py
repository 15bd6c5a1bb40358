"""What is shown of an address: enough to find the fault, and nothing that lets others in."""

import pytest

from canary.rules.urls import shown_address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://hooks.slack.com/services/T000/B000/SECRET", "https://hooks.slack.com/…"),
        ("hooks.slack.com/services/T000/B000/SECRET", "hooks.slack.com/…"),
        ("https://user:SECRET@prometheus:9090/", "https://…@prometheus:9090/"),
        ("user:SECRET@prometheus", "…@prometheus"),
        ("http://prometheus?token=SECRET", "http://prometheus/…"),
        ("http://prometheus#SECRET@x", "http://prometheus/…"),
        ("ftp://chat", "ftp://chat"),
        ("prometheus:9090", "prometheus:9090"),
        ("http://load tester.test/", "http://load tester.test/"),
        ("http://[::1/", "http://[::1/"),
        ("xoxb-SECRET", "…"),
        ("two words", "…"),
        ("", ""),
    ],
)
def test_of_an_address_scheme_and_host_are_shown(address: str, shown: str) -> None:
    assert shown_address(address) == shown
