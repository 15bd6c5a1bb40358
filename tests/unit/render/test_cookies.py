"""The cookies of session affinity, as they are set."""

from typing import Any

import pytest

from canary.api.analysis import SessionAffinity
from render.cookies import set_cookie


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        ("domain", "example.com", "Domain=example.com"),
        ("path", "/app", "Path=/app"),
        ("sameSite", "Strict", "SameSite=Strict"),
        ("httpOnly", True, "HttpOnly"),
        ("secure", True, "Secure"),
        ("partitioned", True, "Partitioned"),
    ],
)
def test_every_attribute_stands_in_the_cookie(field: str, value: Any, attribute: str) -> None:
    affinity = SessionAffinity.model_validate({"cookieName": "side", field: value})
    header = set_cookie("side=aB9", affinity, 60)["header"]
    assert header == {"key": "Set-Cookie", "value": f"side=aB9; Max-Age=60; {attribute}"}
